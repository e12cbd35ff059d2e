"""A diagram that has been laid out, as SVG.

Pure.  The SVG stands alone, its text can be selected, and everything tells more
in a tooltip (``<title>``).  Its colours are variables: it follows the page or the notebook
that it stands in, and else what the reader prefers, light or dark.

"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from playground.display.svg_themes import themed_css
from playground.operations.pictures.colours import PICTURE_COLOURS
from playground.operations.pictures.diagram import (
    ARROW_PX,
    CARD_PADDING_PX,
    ICON_PX,
    LABEL_PADDING_PX,
    NAME_PX,
    ROW_PX,
    SMALL_PX,
    Cable,
    Card,
    Diagram,
    name_width,
)
from playground.operations.pictures.layout import REGION_PX, Layout, Point
from playground.operations.pictures.live_style import LIVE_STYLE
from playground.operations.pictures.realm_shapes import places_of_words, shapes_of

_MARGIN_PX = 26

_MONOSPACED = '"DejaVu Sans Mono",Menlo,Consolas,"Liberation Mono",monospace'
_SANS = 'Helvetica,Arial,"Liberation Sans",sans-serif'

_STYLE = (
    f".pg-name{{font:600 {NAME_PX}px {_SANS};fill:var(--pg-ink)}}\n"
    f".pg-small{{font:{SMALL_PX}px {_MONOSPACED};fill:var(--pg-soft)}}"
    """
.pg-label .pg-small{fill:var(--pg-ink)}
.pg-label rect{fill:var(--pg-paper);stroke:var(--pg-cable);stroke-opacity:.45}
.pg-label polygon{fill:var(--pg-soft)}
.pg-cable path{fill:none;stroke:var(--pg-cable);stroke-width:1.5}
.pg-host .pg-body{fill:var(--pg-host);stroke:var(--pg-host-edge)}
.pg-router .pg-body{fill:var(--pg-router);stroke:var(--pg-router-edge)}
.pg-nat .pg-body{fill:var(--pg-nat);stroke:var(--pg-nat-edge)}
.pg-switch .pg-body{fill:var(--pg-switch);stroke:var(--pg-switch-edge)}
.pg-body{stroke-width:1.5}
.pg-icon{fill:none;stroke:var(--pg-ink);stroke-width:1.3;stroke-linecap:round;stroke-linejoin:round}
.pg-tunnel path{stroke-width:4;stroke-opacity:.45}
.pg-tunnel .pg-note{font-style:italic}
.pg-down path{stroke:var(--pg-down);stroke-dasharray:2 5}
.pg-down .pg-note{fill:var(--pg-down);font-weight:bold}
.pg-blocked path{stroke-dasharray:5 5}
.pg-blocked .pg-note{font-style:italic}
.pg-impaired path{stroke:var(--pg-impaired);stroke-dasharray:8 4}
.pg-impaired .pg-note{fill:var(--pg-impaired);font-weight:bold}
.pg-region{stroke-linejoin:round}
.pg-outer{stroke:var(--pg-region-edge);fill:var(--pg-region-edge)}
.pg-inner{stroke:var(--pg-region);fill:var(--pg-region)}
.pg-word text{font-style:italic;stroke:var(--pg-region);stroke-width:3;paint-order:stroke}
.pg-runs circle{fill:var(--pg-switch-edge)}
.pg-runs text{fill:var(--pg-switch-edge);font-weight:bold}
.pg-rests circle{fill:none;stroke:var(--pg-soft);stroke-width:1.5}
"""
)


def _style(theme: str, live: bool) -> str:
    style = _STYLE + LIVE_STYLE if live else _STYLE
    if theme in PICTURE_COLOURS:
        # Plain colours: programs that turn SVG into other things know no variables.
        plain = PICTURE_COLOURS[theme]
        return re.sub(r"var\(--pg-([\w-]+)\)", lambda found: plain[found[1]], style)
    named = {
        which: {f"pg-{name}": colour for name, colour in colours.items()}
        for which, colours in PICTURE_COLOURS.items()
    }
    return themed_css("pg", named) + style


def draw_svg(
    diagram: Diagram,
    layout: Layout,
    theme: str = "auto",
    running: bool | None = None,
    live: bool = False,
) -> str:
    """Return the picture as SVG; ``theme`` is "auto", "light" or "dark".

    With "auto" the background is transparent, and colours follow the reader.  ``running`` is
    said below the picture unless it is None.  With ``live`` it has the parts that
    `playground.display.live_picture` gives attributes to.

    """
    width, height = layout.width + 2 * _MARGIN_PX, layout.height + 2 * _MARGIN_PX
    if running is not None:
        height += ROW_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pg" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="{-_MARGIN_PX} {-_MARGIN_PX} {width:.0f} {height:.0f}" '
        f'role="img"{_part(live, "lab")}>',
        f"<title>{html.escape(diagram.title)}</title>",
        f"<style>{_style(theme, live)}</style>",
    ]
    if theme in PICTURE_COLOURS:
        parts.append(
            f'<rect x="{-_MARGIN_PX}" y="{-_MARGIN_PX}" width="{width:.0f}" '
            f'height="{height:.0f}" fill="{PICTURE_COLOURS[theme]["paper"]}"/>'
        )
    parts += _shades(diagram, layout)
    parts += chain.from_iterable(
        _cable(cable, way, _part(live, f"cable {number}"))
        for number, (cable, way) in enumerate(zip(diagram.cables, layout.ways, strict=True))
    )
    for card in diagram.cards:
        parts += _card(card, layout.cards[card.name], _part(live, f"node {card.name}"))
    for number, (cable, where) in enumerate(zip(diagram.cables, layout.labels, strict=True)):
        if where is not None:
            parts += _label(cable, where, layout.cards, _part(live, f"label {number}"))
    if live:
        parts += _notes(diagram, layout)
    parts += _words(diagram, layout)
    if running is not None:
        parts += _state(running, layout.height + _MARGIN_PX)
    return "\n".join([*parts, "</svg>\n"])


def _path(points: Iterable[Point]) -> str:
    first, *rest = [f"{x:.1f} {y:.1f}" for x, y in points]
    return f"M{first}C{' '.join(rest)}"


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _part(live: bool, name: str) -> str:
    """Return what makes an element one that can be given attributes, if it is to live."""
    return f' data-part="{html.escape(name)}"' if live else ""


def _cable(cable: Cable, way: Iterable[Point], part: str) -> Iterator[str]:
    path = _path(way)
    flows = (f'<path class="pg-flow-{end}" d="{path}"/>' for end in ("a", "b") if part)
    yield (
        f'<g class="pg-cable pg-{cable.state}"{part}><title>{html.escape(cable.tooltip)}</title>'
        f'<path d="{path}"/>{"".join(flows)}</g>'
    )


def _notes(diagram: Diagram, layout: Layout) -> Iterator[str]:
    """Make room for what may be wrong with each cable: below its label, else in its middle."""
    for number, (cable, where) in enumerate(zip(diagram.cables, layout.labels, strict=True)):
        if where is None:
            way = layout.ways[number]
            x, y = middle_of_curve(way)
        else:
            x, y = where[0], where[1] + cable.size[1] / 2 + ROW_PX - 4
        part = _part(True, f"note {number}")
        yield (
            f'<text class="pg-small pg-live-note"{part} x="{x:.1f}" y="{y:.1f}" '
            'text-anchor="middle"></text>'
        )


def middle_of_curve(way: Sequence[Point]) -> Point:
    """Return the point in the middle of a cable's line, halfway along its middle curve.

    >>> middle_of_curve([(0, 0), (0, 0), (10, 0), (10, 0)])
    (5.0, 0.0)

    """
    curve = 3 * ((len(way) - 1) // 3 // 2)
    first, second, third, last = way[curve : curve + 4]
    # Bernstein's polynomials at one half.
    x, y = ((first[axis] + 3 * second[axis] + 3 * third[axis] + last[axis]) / 8 for axis in (0, 1))
    return x, y


def _card(card: Card, where: Point, part: str) -> Iterator[str]:
    width, height = card.size
    left, top = where[0] - width / 2, where[1] - height / 2
    yield f'<g class="pg-{card.kind}"{part}><title>{html.escape(card.tooltip)}</title>'
    yield _body(card.kind, left, top, width, height)
    if part and card.kind != "switch":
        # In the corner, clear of a long name; a router has no corners.
        aside = 9 if card.kind == "router" else 5
        x, y = left + width - aside, top + aside
        yield f'<circle class="pg-lamp" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
    # An icon and the name, together in the middle.
    x = where[0] - (ICON_PX + 6 + name_width(card.name)) / 2
    y = top + CARD_PADDING_PX + ROW_PX - 5
    yield _icon(card.kind, x, y - 11)
    name = html.escape(card.name)
    yield f'<text class="pg-name" x="{x + ICON_PX + 6:.1f}" y="{y:.1f}">{name}</text>'
    for number, note in enumerate(card.notes, start=1):
        yield (
            f'<text class="pg-small" x="{where[0]:.1f}" y="{y + number * ROW_PX:.1f}" '
            f'text-anchor="middle">{html.escape(note)}</text>'
        )
    yield "</g>"


def _body(kind: str, left: float, top: float, width: float, height: float) -> str:
    if kind == "nat":
        right, bottom, middle, tip = left + width, top + height, top + height / 2, 14
        points = [(left, middle), (left + tip, top), (right - tip, top), (right, middle)]
        points += [(right - tip, bottom), (left + tip, bottom)]
        return f'<polygon class="pg-body" points="{_points(points)}"/>'
    radius = {"host": 6, "router": min(height / 2, 22)}.get(kind, 0)
    return (
        f'<rect class="pg-body" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="{radius:.1f}"/>'
    )


# In a square of 18 by 14 pixels each.
_ICONS = {
    "host": "M1 1h14v9h-14zM8 10v3M4.5 13h7",
    "router": "M8 .5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 1 1 0-13M8 3v8M4 7h8"
    "M6.5 4.5l1.5-1.5l1.5 1.5M6.5 9.5l1.5 1.5l1.5-1.5",
    "nat": "M1 1h14v12h-14zM1 5h14M1 9h14M6 1v4M11 5v4M6 9v4",
    "switch": "M3 4h11l-2.5-2.5M14 4l-2.5 2.5M13 10h-11l2.5-2.5M2 10l2.5 2.5",
}


def _icon(kind: str, x: float, y: float) -> str:
    return f'<path class="pg-icon" transform="translate({x:.1f} {y:.1f})" d="{_ICONS[kind]}"/>'


def _label(cable: Cable, where: Point, cards: Mapping[str, Point], part: str) -> Iterator[str]:
    width, height = cable.size
    left, top = where[0] - width / 2, where[1] - height / 2
    rows = list(cable.rows)
    # The upper end's words stand above, and where both are as high the left one's.
    a, b = cards[cable.a], cards[cable.b]
    toward = {"a": _direction(b, a), "b": _direction(a, b)}
    if toward["a"] in "down right":
        rows.reverse()
    title = html.escape(cable.tooltip)
    yield f'<g class="pg-label pg-{cable.state}"{part}><title>{title}</title>'
    yield f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="5"/>'
    for index, (end, text) in enumerate(rows):
        y = top + 2 + ROW_PX * index + 11
        if cable.two_ended and end:
            yield _arrow(toward[end], left + LABEL_PADDING_PX + 4, y - 4)
            place = f'x="{left + LABEL_PADDING_PX + ARROW_PX:.1f}"'
        else:
            place = f'x="{where[0]:.1f}" text-anchor="middle"'
        note = " pg-note" if not end else ""
        yield f'<text class="pg-small{note}" {place} y="{y:.1f}">{html.escape(text)}</text>'
    yield "</g>"


def _direction(here: Point, there: Point) -> str:
    across, along = there[0] - here[0], there[1] - here[1]
    if abs(across) > 2 * abs(along):
        return "right" if across > 0 else "left"
    return "down" if along > 0 else "up"


def _arrow(direction: str, x: float, y: float) -> str:
    turn = {"up": 0, "right": 90, "down": 180, "left": 270}[direction]
    return (
        f'<polygon transform="translate({x:.1f} {y:.1f}) rotate({turn})" points="0,-3.5 4,3 -4,3"/>'
    )


def draw_regions(diagram: Diagram, layout: Layout) -> Iterator[str]:
    """Yield the shades of a diagram's regions and their words, as SVG below all else."""
    yield from _shades(diagram, layout)
    yield from _words(diagram, layout)


def _shades(diagram: Diagram, layout: Layout) -> Iterator[str]:
    """Shade each realm."""
    for region in diagram.regions:
        shapes = shapes_of(region, diagram, layout)
        yield f'<g class="pg-region"><title>{html.escape(region.tooltip)}</title>'
        # Twice: the larger one's edge is what shows around the smaller one.
        for shade, beyond in (("outer", REGION_PX), ("inner", REGION_PX - 1.5)):
            yield f'<g class="pg-{shade}" stroke-width="{2 * beyond}">'
            for shape in shapes:
                yield f'<polygon points="{_points(shape)}"/>'
            yield "</g>"
        yield "</g>"


def _words(diagram: Diagram, layout: Layout) -> Iterator[str]:
    """Say on each realm what its shade means."""
    for region, (x, y) in zip(diagram.regions, places_of_words(diagram, layout), strict=True):
        yield (
            f'<g class="pg-word"><title>{html.escape(region.tooltip)}</title>'
            f'<text class="pg-small" x="{x:.1f}" y="{y + 3.5:.1f}" '
            f'text-anchor="middle">{html.escape(region.word)}</text></g>'
        )


def _state(running: bool, top: float) -> Iterator[str]:
    """Say below a picture whether what it shows runs."""
    kind, words = ("runs", "running") if running else ("rests", "not running")
    yield f'<g class="pg-{kind}"><circle cx="5" cy="{top:.1f}" r="4"/>'
    yield f'<text class="pg-small" x="15" y="{top + 3.5:.1f}">{words}</text></g>'
