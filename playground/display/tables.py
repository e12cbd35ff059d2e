"""Rows that came from the kernel, and how they are shown: `Table`, and what has one.

A `Table` is a tuple of dataclasses of one kind, which prints as aligned text, one
line a row, and in a notebook as a table.  What is more than a table, such as a
`Ping`, is `Tabular`: it shows one in a notebook, and has its rows.

"""

from __future__ import annotations

import dataclasses
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, SupportsIndex, TextIO, TypeVar, overload

from playground.display.safe_text import visible

T = TypeVar("T")

# Of more rows than this, the first and the last are shown: a notebook keeps what it
# shows, and 100,000 packets as HTML are 30 MB.
_SHOWN = 100
_FIRST, _LAST = 60, 20


class Table(tuple[T, ...]):
    """Rows of one kind, each a dataclass; a tuple in all else.

    The columns are the fields, by the names that they have there; None is
    shown as nothing.  Printed in a terminal, rows keep to its width.  An empty table
    says so, and of more than 100 rows the first and the last are shown.  A slice of a
    table is a table.

    >>> Table([Hop("modem", 1), Hop("isp", 12)])
    node   number
    modem       1
    isp        12

    """

    __slots__ = ()

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Table[T]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> T | Table[T]:
        if isinstance(index, slice):
            return Table(super().__getitem__(index))
        return super().__getitem__(index)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as dicts of plain values: numbers, text, True and False, None, lists of them.

        >>> pandas.DataFrame(www.firewall.rules().rows)

        """
        names = _names(self)
        return [{name: plain(getattr(row, name)) for name in names} for row in self]

    def __repr__(self) -> str:
        return text_table(self.rows, room_of(sys.stdout))

    def _repr_html_(self) -> str:
        return html_table(self.rows)


class Tabular:
    """An object that shows as a table in a notebook, and gives its rows."""

    def table(self) -> Table[Any]:
        """Return what is listed, as a `Table`."""
        raise NotImplementedError

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of the table as dicts of plain values, as `Table.rows`."""
        return self.table().rows

    def _repr_html_(self) -> str:
        return html_table(self.rows)


def plain(value: Any) -> Any:
    """Return a value as plain data: what is no number, text or list of them becomes text.

    >>> plain((ip_address("10.1.1.1"), None))
    ['10.1.1.1', None]

    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return str(value)


def text_table(rows: Sequence[Mapping[str, Any]], room: int | None = None) -> str:
    """Return rows of the same columns as aligned text, numbers to the right.

    Where it has no more than ``room`` characters a line, text goes on in the next line of
    its column, and what is last in its row stands beneath it if little is left beside.

    """
    if not rows:
        return "(no rows)"
    shown, left_out = _shown(rows)
    head = list(rows[0])
    cells = [head, *([_text(value) for value in row.values()] for row in shown)]
    numbers = [_is_number([row[name] for row in shown]) for name in head]
    widths, beneath = _widths(cells, room)
    blocks = [_lines(row, widths, numbers, beneath) for row in cells]
    if left_out:
        blocks.insert(1 + _FIRST, [f"... {left_out} more rows ..."])
    return "\n".join(line for block in blocks for line in block)


def room_of(stream: TextIO | None) -> int | None:
    """Return how many characters a line of a terminal has, None for what is none."""
    if stream is None or not stream.isatty():
        return None
    # It brings three compressors.
    import shutil

    return shutil.get_terminal_size().columns


# Between two columns.
_GAP = "  "
# A column stands beneath the others if it would take more lines than these beside them, or
# have words broken.
_LINES = 3
_INDENT = " " * 4
# No column gets narrower; then lines are longer than their room.
_NARROWEST = 5


def _widths(cells: Sequence[Sequence[str]], room: int | None) -> tuple[list[int], int]:
    """Return the widths of the columns beside each other, and that of the one beneath, or 0."""
    columns = list(zip(*cells, strict=True))
    natural = [max(map(len, column)) for column in columns]
    if room is None or _length(natural) <= room:
        return natural, 0
    least = [max(len(word) for cell in column for word in _words(cell)) for column in columns]
    beside = _narrowed(natural, least, room)
    whole = all(width >= bound for width, bound in zip(beside, least, strict=True))
    if len(natural) == 1 or (whole and beside[-1] * _LINES >= natural[-1]):
        return beside, 0
    return _narrowed(natural[:-1], least[:-1], room), max(room - len(_INDENT), _NARROWEST)


def _length(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _narrowed(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Take from the widest columns until all fit; where words have to break, from any."""
    found = list(widths)
    for bounds in (least, [_NARROWEST] * len(found)):
        while _length(found) > room:
            spare = [
                min(width - bound, 1) * width for width, bound in zip(found, bounds, strict=True)
            ]
            if max(spare) <= 0:
                break
            found[spare.index(max(spare))] -= 1
    return found


class _Wrapper(textwrap.TextWrapper):
    """Breaks lines at spaces, and within names as they are made of words or of folders."""

    wordsep_re = re.compile(r"(\s+|(?<=[_/,])(?=\w))")


def _words(cell: str) -> list[str]:
    return [part for part in _Wrapper.wordsep_re.split(cell) if part and part.strip()] or [""]


def _lines(
    row: Sequence[str], widths: Sequence[int], numbers: Sequence[bool], beneath: int
) -> list[str]:
    """Return a row as lines, the last of its cells beneath the others if it has a width there."""
    parts = [
        [cell] if len(cell) <= width else _Wrapper(width).wrap(cell)
        for cell, width in zip(row, widths, strict=False)
    ]
    lines = [
        _GAP.join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, numbers, strict=False)
        ).rstrip()
        for line in zip_longest(*parts, fillvalue="")
    ]
    if beneath:
        under = _Wrapper(beneath, initial_indent=_INDENT, subsequent_indent=_INDENT)
        under.width += len(_INDENT)
        lines += under.wrap(row[-1])
    return lines


def html_table(
    rows: Sequence[Mapping[str, Any]], caption: str = "", nothing: str = "(no rows)"
) -> str:
    """Return rows of the same columns as an HTML table, in the page's own colours.

    ``caption`` stands above it, and ``nothing`` in its place where there are no rows.

    """
    caption = visible(caption)
    if not rows:
        return f"<p>{_escaped(': '.join(filter(None, (caption, nothing))))}</p>"
    shown, left_out = _shown(rows)
    head = list(rows[0])
    # A notebook aligns all cells to the right, unless told otherwise.
    sides = ["right" if _is_number([row[name] for row in shown]) else "left" for name in head]
    lines = [_row(row.values(), "td", sides) for row in shown]
    if left_out:
        lines.insert(
            _FIRST,
            f'<tr><td colspan="{len(head)}" style="text-align:center">'
            f"… {left_out} more rows …</td></tr>",
        )
    above = f'<p style="margin:0">{_escaped(caption)}</p>' if caption else ""
    # A notebook cuts off what is wider than the page, unless it can be scrolled.
    return (
        f'{above}<div style="overflow-x:auto">'
        f"<table><thead>{_narrow(_row(head, 'th', sides))}</thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _names(rows: Sequence[Any]) -> list[str]:
    return [field.name for field in dataclasses.fields(rows[0]) if field.repr] if rows else []


def _shown(rows: Sequence[Mapping[str, Any]]) -> tuple[Sequence[Mapping[str, Any]], int]:
    """Return the rows that are shown, and how many are left out."""
    if len(rows) <= _SHOWN:
        return rows, 0
    return [*rows[:_FIRST], *rows[-_LAST:]], len(rows) - _FIRST - _LAST


def _is_number(column: Iterable[object]) -> bool:
    return all(
        value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
        for value in column
    )


def _text(value: object) -> str:
    """Return a cell's text as it is shown."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_text, value))
    return visible(str(value))


def _row(values: Iterable[object], tag: str, sides: Iterable[str]) -> str:
    cells = "".join(
        f'<{tag} style="text-align:{side}">{_html(_text(value))}</{tag}>'
        for value, side in zip(values, sides, strict=True)
    )
    return f"<tr>{cells}</tr>"


def _narrow(head: str) -> str:
    """Let long names break where the page is not wide enough: before a word, not before a unit."""
    return re.sub("_(?=[a-z]{4})", "_<wbr>", head)


def _escaped(text: str) -> str:
    # It brings all names of characters, and tables in a terminal need none.
    import html

    return html.escape(text)


def _html(text: str) -> str:
    """Return text as HTML; what has several lines keeps them, and its spaces."""
    escaped = _escaped(text)
    if "\n" not in text:
        return escaped
    # As wide as its lines, and scrolled where that is too wide or too high.
    style = "margin:0;white-space:pre;max-width:60em;max-height:30em;overflow:auto"
    return f'<pre style="{style}">{escaped}</pre>'
