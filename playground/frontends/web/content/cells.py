"""Cells of tables on a page: values of rows as short, harmless text, with their columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from playground.display.safe_text import visible_line
from playground.display.tables import plain

# A host chooses how long its names and commands are; a phone shows some 40 characters a line.
_MOST_CHARACTERS = 300

# Of one table: a browser lays out no more without a pause.
MOST_ROWS = 500


def cell(value: Any) -> str | int | float:
    r"""Return a value as a cell: numbers stay, all else is one line of visible text.

    >>> cell(None), cell(True), cell(12), cell(("a", "b"))
    ('', 'yes', 12, 'a, b')
    >>> cell("two\n\x1b[2Jlines")
    'two \\x1b[2Jlines'

    """
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, list):
        value = ", ".join(str(cell(one)) for one in value)
    text = visible_line(str(value))
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + " …"


def rows(found: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return rows with the cells of these columns, and their number as ``"row"``.

    No more than `MOST_ROWS` of them.

    >>> rows([{"port": 80, "program": "nginx", "raw": {}}], ["port", "program"])
    [{'row': 0, 'port': 80, 'program': 'nginx'}]

    """
    return [
        {"row": number} | {name: cell(row.get(name)) for name in columns}
        for number, row in zip(range(MOST_ROWS), found, strict=False)
    ]


def columns(names: Sequence[str], numbers: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the columns of a table of NiceGUI's: numbers stand to the right, all can be sorted.

    >>> columns(["expires_s"], numbers=["expires_s"])
    [{'name': 'expires_s', 'label': 'expires (s)', 'field': 'expires_s', 'sortable': True, ...

    """
    return [
        {
            "name": name,
            "label": label(name),
            "field": name,
            "sortable": True,
            "align": "right" if name in numbers else "left",
            "headerStyle": "white-space: nowrap",
        }
        for name in names
    ]


_UNITS = {"s": "s", "ms": "ms", "mb": "MB", "bytes": "bytes", "mbit": "Mbit/s"}


def label(name: str) -> str:
    """Return the words of a column: "rate_mbit" is "rate (Mbit/s)".

    >>> label("length_bytes"), label("answers_from"), label("bytes")
    ('length (bytes)', 'answers from', 'bytes')

    """
    words, _, unit = name.rpartition("_")
    if words and unit in _UNITS:
        return f"{words.replace('_', ' ')} ({_UNITS[unit]})"
    return name.replace("_", " ")
