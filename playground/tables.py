"""Rows that came from the kernel, and how they are shown: `Table`.

A `Table` is a tuple of dataclasses of one kind, which prints as aligned text, one
line a row, and in a notebook as a table.

"""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class Table(tuple[T, ...]):
    """Rows of one kind, each a dataclass; a tuple in all else.

    The columns are the fields, by the names that they have there; None is
    shown as nothing.  An empty table says so.

    >>> Table([Hop("modem", 1), Hop("isp", 12)])
    node   number
    modem       1
    isp        12

    """

    __slots__ = ()

    def __repr__(self) -> str:
        if not self:
            return "(no rows)"
        head, *rows = _cells(self)
        numbers = [all(_is_number(value) for value in column) for column in _columns(self)]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(row, widths, numbers, strict=True)
            ).rstrip()
            for row in (head, *rows)
        )

    def _repr_html_(self) -> str:
        if not self:
            return "<p>(no rows)</p>"
        head, *rows = _cells(self)
        lines = [_row(head, "th"), *(_row(row, "td") for row in rows)]
        return f"<table>{''.join(lines)}</table>"


def _cells(rows: Iterable[Any]) -> list[list[str]]:
    rows = list(rows)
    names = [field.name for field in dataclasses.fields(rows[0]) if field.repr]
    return [names, *([_text(getattr(row, name)) for name in names] for row in rows)]


def _columns(rows: Sequence[Any]) -> list[list[Any]]:
    names = [field.name for field in dataclasses.fields(rows[0]) if field.repr]
    return [[getattr(row, name) for row in rows] for name in names]


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_text, value))
    return str(value)


def _row(cells: Iterable[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"
