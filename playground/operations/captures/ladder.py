"""`Ladder`: a sequence diagram of packets, as SVG and as text.

Machines are columns, time goes downwards, each packet is an arrow.  Pure but for `save`:
`Rung`s go in (`captures.ladder_rows`), drawings come out.

"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from playground.display.local_files import write_file
from playground.display.svg_themes import themed_css
from playground.errors import BadArgument
from playground.model.records import dataclass
from playground.operations.captures.dissect import MISSING, OUT_OF_ORDER, RETRANSMISSION
from playground.operations.captures.frames import Directory
from playground.operations.captures.ladder_colours import LADDER_COLOURS
from playground.operations.captures.ladder_rows import EVERYBODY, Rung

if TYPE_CHECKING:
    import os

# Where there are more than were asked for.
_MORE = "there are more: ladder(limit_packets=...)"

# Of so many machines each has a column; of more, only who sends or is sent to.
_MOST_LISTENERS = 8

# More than this without a packet is shown as a gap.
GAP_S = 0.2

# Pixels.  A character of a usual monospaced font is 0.602 em wide, one of a usual bold
# sans-serif 0.60 on average.
_TITLE_PX, _DETAIL_PX, _NAME_PX = 12.5, 11.0, 14.0
_MONO_EM, _BOLD_EM = 0.602, 0.60
_LINE_PX = 15
_MARGIN = 18
_TIME_WIDTH, _PROTOCOL_WIDTH = 84, 70
_HEAD_PADDING = 14
_ARROW = 9
_GAP_HEIGHT = 30
_NARROWEST, _WIDEST, _WHOLE = 170, 470, 1000
_TITLE_LINES, _DETAIL_LINES = 2, 3

_COLOURS = {
    "TCP": "tcp",
    "UDP": "tcp",
    "TLS": "tls",
    "SSH": "tls",
    "DNS": "dns",
    "mDNS": "dns",
    "ARP": "arp",
    "ICMP": "icmp",
    "ICMPv6": "icmp",
    "DHCP": "dhcp",
    "DHCPv6": "dhcp",
}
_SANS = 'Helvetica,Arial,"Liberation Sans",sans-serif'
_MONO = '"DejaVu Sans Mono",Menlo,Consolas,"Liberation Mono",monospace'
_CSS = f"""
.ladder-name{{font:600 {_NAME_PX}px {_SANS};fill:var(--ink)}}
.ladder-title{{font:600 {_TITLE_PX}px {_SANS}}}
.ladder-small{{font:{_DETAIL_PX}px {_MONO};fill:var(--soft)}}
.ladder-halo{{paint-order:stroke;stroke:var(--paper);stroke-width:5px;stroke-linejoin:round}}
.ladder-life{{stroke:var(--life);stroke-width:1.5}}
.ladder-gap{{stroke:var(--life);stroke-width:1.5;stroke-dasharray:2 5}}
.ladder-line{{fill:none;stroke-width:1.7}}
.ladder-again{{stroke-dasharray:7 4}}
"""


@dataclass(frozen=True)
class Column:
    """One machine: its name, the addresses that it has, whether it is a router."""

    name: str
    addresses: tuple[str, ...] = ()
    router: bool = False


@dataclass(frozen=True)
class _Row:
    """One straight part of a rung's way, between columns; ``first`` of it, or ``last``."""

    rung: Rung
    stops: tuple[int, ...]
    heard: tuple[int, ...]
    first: bool
    last: bool
    changed: frozenset[int] = frozenset()
    told: tuple[str, ...] = ()

    @property
    def span(self) -> tuple[int, int]:
        reached = (*self.stops, *self.heard)
        return min(reached), max(reached)

    def changed_at(self, column: int) -> bool:
        """Whether NAT changed an address there."""
        return column in self.changed

    @property
    def is_loop(self) -> bool:
        return self.span[0] == self.span[1]


class Ladder:
    """A sequence diagram.

    It shows itself in a notebook, ``print(ladder)`` is text, `svg` and `save` give the drawing.

    """

    def __init__(
        self, columns: Sequence[Column], rungs: Sequence[Rung], more: bool = False
    ) -> None:
        self.columns = tuple(columns)
        self.rungs = tuple(rungs)
        self.more = more
        self._place = {column.name: number for number, column in enumerate(columns)}
        self._start_ns = rungs[0].time_ns if rungs else 0

    @classmethod
    def of(cls, rungs: Sequence[Rung], directory: Directory, limit: int) -> Ladder:
        """Return the ladder of the first ``limit`` rungs."""
        drawn = rungs[:limit]
        columns = [
            Column(name, directory.addresses(name), name in directory.routers)
            for name in order(drawn)
        ]
        return cls(columns, drawn, len(rungs) > len(drawn))

    def __repr__(self) -> str:
        return f"<Ladder: {len(self.rungs)} packets between {len(self.columns)} machines>"

    def __str__(self) -> str:
        return "\n".join(_text(self))

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        bundle = {"text/plain": str(self)}
        # A terminal asks for text alone.
        if include is None or "text/plain" not in include or len(include) > 1:
            svg = self.svg()
            # In the page itself, whose theme it follows; and where no HTML is shown, by itself.
            bundle["text/html"] = f'<div style="overflow-x:auto">{svg}</div>'
            bundle["image/svg+xml"] = svg
        return bundle

    def svg(self) -> str:
        """Return the drawing as SVG, light or dark as its reader has it."""
        return "\n".join(_svg(self)) + "\n"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing as .svg, or the text as .txt; return the path."""
        path = Path(path)
        if path.suffix == ".svg":
            text = self.svg()
        elif path.suffix == ".txt":
            text = f"{self}\n"
        else:
            raise BadArgument(f"{path.name}: a ladder is saved as .svg, or as .txt")
        return write_file(path, [text.encode()])

    # -- for the drawings ---------------------------------------------------

    def time(self, rung: Rung) -> str:
        """Return how long after the first packet, in milliseconds."""
        return f"{(rung.time_ns - self._start_ns) / 1e6:.3f}"

    def rows(self) -> Iterator[_Row | float]:
        """Yield what is drawn from top to bottom: rows, and between them gaps in seconds."""
        before_ns = self._start_ns
        told: set[tuple[str, str]] = set()
        for rung in self.rungs:
            gap_s = (rung.time_ns - before_ns) / 1e9
            before_ns = rung.time_ns
            if gap_s >= GAP_S:
                yield gap_s
            # The translation of a connection is told once; later a mark is enough.
            fresh = [change for change in rung.changes if change not in told]
            told.update(fresh)
            yield from self._straight(rung, tuple(f"{node}: {what}" for node, what in fresh))

    def _straight(self, rung: Rung, told: tuple[str, ...]) -> Iterator[_Row]:
        stops = [self._place[name] for name in rung.path]
        everybody = [n for n in range(len(self.columns)) if n != stops[0]]
        heard = (
            everybody
            if EVERYBODY in rung.heard
            else [self._place[name] for name in rung.heard if name in self._place]
        )
        hidden = len(rung.heard) - len(heard)
        if hidden > 0 and EVERYBODY not in rung.heard:
            told = (f"{hidden} more heard it" if heard else f"{hidden} heard it", *told)
        parts: list[list[int]] = [stops[:2]]
        for here, there in pairwise(stops[1:]):
            last = parts[-1]
            if (last[-1] - last[-2] > 0) == (there - here > 0):
                last.append(there)
            else:
                parts.append([here, there])
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            yield _Row(
                rung,
                tuple(part),
                tuple(heard if is_last else ()),
                first=not number,
                last=is_last,
                changed=frozenset(self._place[node] for node, _ in rung.changes),
                told=told if is_last else (),
            )


def order(rungs: Sequence[Rung]) -> list[str]:
    """Return the machines from left to right: as they are met, but between where they belong.

    Who only heard what was for all stands among them in a small network.

    """
    everyone = {name for rung in rungs for name in (*rung.path, *rung.heard)} - {EVERYBODY}
    names: list[str] = []
    for rung in rungs:
        heard = rung.heard if len(everyone) <= _MOST_LISTENERS else ()
        known = [*rung.path, *(name for name in heard if name != EVERYBODY)]
        for number, name in enumerate(known):
            if name in names:
                continue
            after = [other for other in rung.path[number + 1 :] if other in names]
            before = [other for other in rung.path[:number] if other in names]
            if after and before and names.index(before[-1]) < names.index(after[0]):
                names.insert(names.index(after[0]), name)
            elif len(names) > 3 and len(rung.path) == 2 and names[0] in rung.path:
                names.insert(0, name)  # a neighbour of the leftmost
            else:
                names.append(name)
    return names


# -- SVG ---------------------------------------------------------------------


def _svg(ladder: Ladder) -> Iterator[str]:
    rows = list(ladder.rows())
    xs = _columns(ladder, rows)
    heads = [_head_width(column) for column in ladder.columns]
    right = (xs[-1] + heads[-1] / 2 if xs else 200) + 26
    # Arrows to oneself stand beside the last column.
    loops = [row for row in rows if isinstance(row, _Row) and row.is_loop]
    if any(row.span[1] == len(xs) - 1 for row in loops):
        right = max(right, xs[-1] + _NARROWEST + 60)
    width = right + _PROTOCOL_WIDTH + _MARGIN
    lines = max((min(2, len(column.addresses)) for column in ladder.columns), default=0)
    head_height = 30 + _LINE_PX * lines
    top = _MARGIN + head_height
    body: list[str] = []
    lives: list[tuple[str, float, float]] = []
    y = float(top)
    for row in rows:
        if isinstance(row, _Row):
            drawn, height = _row(ladder, row, xs, y, right)
            body += drawn
            lives.append(("life", y, y + height))
        else:
            height = _GAP_HEIGHT
            body.append(_label(_MARGIN, y + height / 2 + 4, f"⋮ {_duration(row)} later", "start"))
            lives.append(("gap", y, y + height))
        y += height
    lives.append(("life", y, y + 14))
    y += 14
    if ladder.more:
        body.append(_label(_MARGIN, y + 18, _MORE, "start"))
        y += 24
    height = y + _MARGIN
    title = html.escape(" · ".join(column.name for column in ladder.columns))
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ladder" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img">'
    )
    yield f"<title>{title}</title><style>{themed_css('ladder', LADDER_COLOURS)}{_CSS}</style>"
    yield (
        f'<rect x=".5" y=".5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="8" '
        'fill="var(--paper)" stroke="var(--edge)"/>'
    )
    for x in xs:
        for kind, begin, end in _merged(lives):
            yield (
                f'<line class="ladder-{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{begin:.1f}" '
                f'y2="{end:.1f}"/>'
            )
    for column, x, head in zip(ladder.columns, xs, heads, strict=True):
        yield from _head(column, x, head, head_height)
    if rows:
        yield _label(_MARGIN + _TIME_WIDTH - 18, top - 8, "ms", "end")
    yield from body
    yield "</svg>"


def _merged(lives: Iterable[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    merged: list[tuple[str, float, float]] = []
    for kind, begin, end in lives:
        if merged and merged[-1][0] == kind:
            merged[-1] = (kind, merged[-1][1], end)
        else:
            merged.append((kind, begin, end))
    return merged


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _head_width(column: Column) -> float:
    addresses = max((_mono(text) for text in column.addresses[:2]), default=0)
    return max(_NAME_PX * _BOLD_EM * len(column.name), addresses) + 2 * _HEAD_PADDING


def _mono(text: str) -> float:
    return _DETAIL_PX * _MONO_EM * len(text)


def _bold(text: str) -> float:
    return _TITLE_PX * _BOLD_EM * len(text)


def _columns(ladder: Ladder, rows: Iterable[_Row | float]) -> list[float]:
    """Place the columns so that what stands between two of them has room, within reason."""
    count = len(ladder.columns)
    if not count:
        return []
    heads = [_head_width(column) for column in ladder.columns]
    most = max(_NARROWEST, min(_WIDEST, _WHOLE / max(1, count - 1)))
    gaps = [max(_NARROWEST * 0.8, (here + there) / 2 + 20) for here, there in pairwise(heads)]
    for row in rows:
        if not isinstance(row, _Row) or row.is_loop:
            continue
        first, last = row.span
        title, details = _texts(row)
        wanted = max([_bold(title), *map(_mono, details)]) + 40
        share = min(most, wanted / (last - first))
        for number in range(first, last):
            gaps[number] = max(gaps[number], share)
    xs = [_MARGIN + _TIME_WIDTH + heads[0] / 2]
    for gap in gaps:
        xs.append(xs[-1] + gap)
    return xs


def _texts(row: _Row) -> tuple[str, list[str]]:
    rung = row.rung
    title = rung.title
    if rung.mark:
        title = rung.mark if rung.title == "ACK" else f"{rung.mark}: {title}"
    if not row.first:
        title = f"… {title}"
    details = [rung.detail] if rung.detail and row.first else []
    details += row.told
    return title, details


def _fate(row: _Row) -> list[str]:
    if row.last and row.rung.lost:
        return ["lost on the way"]
    if row.last and row.rung.stops:
        return [f"stops at {row.rung.path[-1]}"]
    return []


def _wrapped(text: str, pixels: float, em: float, lines: int) -> list[str]:
    characters = max(8, int(pixels / em))
    return textwrap.wrap(
        text, characters, max_lines=lines, placeholder=" …", break_on_hyphens=False
    )


def _row(
    ladder: Ladder, row: _Row, xs: Sequence[float], top: float, right: float
) -> tuple[list[str], float]:
    """Draw one row below ``top``; return that and its height."""
    rung = row.rung
    first, last = row.span
    left_x, right_x = xs[first], xs[last]
    room = (_NARROWEST if row.is_loop else right_x - left_x) - 24
    title, details = _texts(row)
    above = _wrapped(title, room, _TITLE_PX * _BOLD_EM, _TITLE_LINES)
    below = [
        line
        for detail in details
        for line in _wrapped(detail, room, _DETAIL_PX * _MONO_EM, _DETAIL_LINES)
    ]
    colour = _colour(rung)
    y = top + 13 + _LINE_PX * len(above)
    parts = [
        f'<g style="--this:var(--{colour})"><title>{html.escape(rung.tooltip or title)}</title>'
    ]
    middle, anchor = (left_x + right_x) / 2, "middle"
    if row.is_loop:
        middle, anchor = left_x + 44, "start"
    for number, line in enumerate(above):
        baseline = y - 8 - _LINE_PX * (len(above) - 1 - number)
        parts.append(
            f'<text class="ladder-title ladder-halo" fill="var(--this)" x="{middle:.1f}" '
            f'y="{baseline:.1f}" text-anchor="{anchor}">{html.escape(line)}</text>'
        )
    for number, line in enumerate(below, 1):
        parts.append(_label(middle, y + 2 + _LINE_PX * number, line, anchor))
    for number, line in enumerate(_fate(row), len(below) + 1):
        parts.append(
            f'<text class="ladder-title ladder-halo" fill="var(--this)" x="{middle:.1f}" '
            f'y="{y + 2 + _LINE_PX * number:.1f}" text-anchor="{anchor}">{html.escape(line)}</text>'
        )
    if not row.is_loop:
        parts += _arrows(row, xs, y)
    elif len(row.stops) > 1:
        parts += _loop(left_x, y)
    else:
        parts += _stub(left_x, y)
    if row.first:
        parts.append(_label(_MARGIN + _TIME_WIDTH - 18, y + 4, ladder.time(rung), "end"))
        parts.append(
            f'<text class="ladder-title" fill="var(--this)" x="{right:.1f}" y="{y + 4:.1f}">'
            f"{html.escape(rung.protocol)}</text>"
        )
    parts.append("</g>")
    return parts, 12 + _LINE_PX * (len(above) + len(below) + len(_fate(row))) + 12


def _colour(rung: Rung) -> str:
    if rung.mark in (RETRANSMISSION, OUT_OF_ORDER, MISSING) or rung.lost or rung.stops:
        return "bad"
    if rung.protocol == "TCP" and "RST" in rung.title:
        return "bad"
    return _COLOURS.get(rung.protocol, "app")


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text class="ladder-small ladder-halo" x="{x:.1f}" y="{y:.1f}" '
        f'text-anchor="{anchor}">{html.escape(text)}</text>'
    )


def _arrows(row: _Row, xs: Sequence[float], y: float) -> Iterator[str]:
    again = " ladder-again" if row.rung.mark and row.rung.mark != MISSING else ""
    ends = [*pairwise(row.stops)]
    if row.heard:
        # One line to the farthest on each side, a head at every one that heard it.
        ends = [*_fan(row)]
    for number, (here, there) in enumerate(ends):
        x, to = xs[here], xs[there]
        way = 1 if to > x else -1
        is_lost = row.last and row.rung.lost and number == len(ends) - 1
        end = x + (to - x) * 0.86 if is_lost else to
        # Beside the mark of who hands it on.
        passes = there in row.stops[1:-1]
        tip = end - way * (0 if is_lost else (7 if row.changed_at(there) else 4) if passes else 2)
        yield (
            f'<path class="ladder-line{again}" stroke="var(--this)" '
            f'd="M{x:.1f} {y:.1f}H{tip - way * (0 if is_lost else _ARROW - 1):.1f}"/>'
        )
        if is_lost:
            yield _cross(end, y)
        else:
            yield (f'<path fill="var(--this)" d="M{tip:.1f} {y:.1f}l{-way * _ARROW} -4.5v9z"/>')
    for number in row.stops[:-1] or row.stops:
        yield (_diamond if row.changed_at(number) else _dot)(xs[number], y)
    if row.last and row.rung.stops:
        yield _cross(xs[row.stops[-1]], y)


def _fan(row: _Row) -> Iterator[tuple[int, int]]:
    here = row.stops[0]
    for side in (-1, 1):
        before = here
        for number in sorted(
            (n for n in row.heard if (n - here) * side > 0), key=lambda n: n * side
        ):
            yield before, number
            before = number


def _dot(x: float, y: float) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="var(--this)"/>'


def _diamond(x: float, y: float) -> str:
    return f'<path fill="var(--this)" d="M{x - 6:.1f} {y:.1f}l6 -6l6 6l-6 6z"/>'


def _cross(x: float, y: float) -> str:
    return (
        f'<path class="ladder-line" stroke="var(--this)" style="stroke-width:2.6" '
        f'd="M{x - 6:.1f} {y - 6:.1f}l12 12m0 -12l-12 12"/>'
    )


def _loop(x: float, y: float) -> Iterator[str]:
    yield (
        f'<path class="ladder-line" stroke="var(--this)" '
        f'd="M{x:.1f} {y - 8:.1f}h34v14h-{34 - _ARROW}"/>'
        f'<path fill="var(--this)" d="M{x + 2:.1f} {y + 6:.1f}l{_ARROW} -4.5v9z"/>'
    )


def _stub(x: float, y: float) -> Iterator[str]:
    """An arrow to nobody who has a column."""
    yield _dot(x, y)
    yield (
        f'<path class="ladder-line" stroke="var(--this)" d="M{x:.1f} {y:.1f}h{36 - _ARROW}"/>'
        f'<path fill="var(--this)" d="M{x + 36:.1f} {y:.1f}l{-_ARROW} -4.5v9z"/>'
    )


def _head(column: Column, x: float, width: float, height: float) -> Iterator[str]:
    kind = "router" if column.router else "host"
    yield (
        f"<g><title>{html.escape(', '.join([column.name, *column.addresses]))}</title>"
        f'<rect x="{x - width / 2:.1f}" y="{_MARGIN}" width="{width:.1f}" height="{height}" '
        f'rx="{height / 2 if column.router else 6:.0f}" fill="var(--{kind})" '
        f'stroke="var(--{kind}-edge)" stroke-width="1.5"/>'
    )
    shown = column.addresses[:2]
    if len(column.addresses) > 2:
        shown = (column.addresses[0], f"and {len(column.addresses) - 1} more")
    y = _MARGIN + (height - _LINE_PX * len(shown)) / 2 + 5
    yield (
        f'<text class="ladder-name" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">'
        f"{html.escape(column.name)}</text>"
    )
    for number, address in enumerate(shown, 1):
        yield (
            f'<text class="ladder-small" x="{x:.1f}" y="{y + _LINE_PX * number:.1f}" '
            f'text-anchor="middle">{html.escape(address)}</text>'
        )
    yield "</g>"


# -- text --------------------------------------------------------------------

_TEXT_TIME = 10
# Of how many columns at most: characters between two of them, at least and at most.
_TEXT_GAPS = ((2, 24, 44), (4, 16, 30), (1000, 12, 12))


def _text(ladder: Ladder) -> Iterator[str]:
    if not ladder.columns:
        yield "(no packets)"
        return
    rows = list(ladder.rows())
    least, most = next((a, b) for count, a, b in _TEXT_GAPS if len(ladder.columns) <= count)
    longest = max((len(_texts(row)[0]) for row in rows if isinstance(row, _Row)), default=0)
    gap = max(least, min(most, longest + 8), *(len(c.name) + 2 for c in ladder.columns))
    at = [_TEXT_TIME + 2 + gap * number for number in range(len(ladder.columns))]
    head = [" "] * (at[-1] + len(ladder.columns[-1].name) + 1)
    for column, x in zip(ladder.columns, at, strict=True):
        head[x : x + len(column.name)] = column.name
    head[_TEXT_TIME - 2 : _TEXT_TIME] = "ms"
    yield "".join(head).rstrip()
    for row in rows:
        line = [" "] * (at[-1] + 1)
        for x in at:
            line[x] = "|"
        if not isinstance(row, _Row):
            for x in at:
                line[x] = ":"
            yield f"{'+' + _duration(row):>{_TEXT_TIME}}{''.join(line[_TEXT_TIME:])}"
            continue
        title, details = _texts(row)
        _text_arrows(row, at, line)
        first, last = row.span
        room = at[last] - at[first] - 8
        shown = title if len(title) <= room else f"{title[: room - 1]}…"
        if room > 0 and not row.is_loop:
            middle = _middle(row, at, len(shown))
            begin = middle - (len(shown) + 2) // 2
            line[begin : begin + len(shown) + 2] = f" {shown} "
        if shown != title or row.is_loop:
            details = [title, *details]
        time = ladder.time(row.rung) if row.first else ""
        told = "; ".join([*details, *_fate(row)])
        yield f"{time:>{_TEXT_TIME}}{''.join(line[_TEXT_TIME:])}  {told}".rstrip()
    if ladder.more:
        yield _MORE


def _middle(row: _Row, at: Sequence[int], length: int) -> int:
    """Return where a title stands: between two of the columns, where it is short enough."""
    stops = [at[number] for number in sorted((*row.stops, *row.heard))]
    middle = (stops[0] + stops[-1]) // 2
    parts = [(a + b) // 2 for a, b in pairwise(stops) if b - a >= length + 6]
    return min(parts, key=lambda part: abs(part - middle), default=middle)


def _text_arrows(row: _Row, at: Sequence[int], line: list[str]) -> None:
    sign = "=" if row.rung.mark and row.rung.mark != MISSING else "-"
    ends = [(row.stops[0], number) for number in row.heard] or [*pairwise(row.stops)]
    for here, there in ends:
        a, b = at[here], at[there]
        for x in range(min(a, b) + 1, max(a, b)):
            if line[x] in " |":
                line[x] = sign
    if len(row.stops) == 1 and not row.heard:
        begin = at[row.stops[0]] + 1
        line[begin : begin + 2] = "->"
    for number, (here, there) in enumerate(ends):
        tip = at[there] - 1 if there > here else at[there] + 1
        if here == there:
            continue
        line[tip] = ">" if there > here else "<"
        if row.last and row.rung.lost and number == len(ends) - 1:
            line[tip] = "X"
    if row.last and row.rung.stops:
        line[at[row.stops[-1]]] = "X"
