"""Marks as tables for spreadsheets: CSV (RFC 4180) and XLSX (ECMA-376).

Names and remarks are strangers' text.  A spreadsheet takes a cell that begins with "=", "+", "-"
or "@" for a formula; so text stays text, by an apostrophe before it in CSV, by its type in XLSX.

"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from playground.display.safe_text import visible_line
from playground.frontends.grading.outcomes import CheckMark, StudentMarks

Cell = str | float

_MOST_CHARACTERS = 1_000


def rows(outcomes: Sequence[StudentMarks]) -> Iterator[list[Cell]]:
    """Yield the header, and a row a student: points, of how many, each check, remarks."""
    checks = checks_of(outcomes)
    titles: list[Cell] = [_text(check.title) for check in checks.values()]
    yield ["student", "points", "of", *titles, "remark", "looks like cheating"]
    for one in outcomes:
        got = {check.id: check.got for check in one.checks}
        marks: list[Cell] = [got.get(id_, 0) for id_ in checks]
        remark, cheats = _text(one.refusal), _text("; ".join(one.cheats))
        yield [_text(one.student), one.got, one.points, *marks, remark, cheats]


def checks_of(outcomes: Sequence[StudentMarks]) -> dict[str, CheckMark]:
    """Return each check once, by its id, in the exercise's order."""
    return {check.id: check for one in outcomes for check in one.checks}


def _text(text: str) -> str:
    return visible_line(text)[:_MOST_CHARACTERS]


def csv_text(outcomes: Sequence[StudentMarks]) -> str:
    """Return the marks as CSV."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    for row in rows(outcomes):
        writer.writerow([_no_formula(cell) for cell in row])
    return buffer.getvalue()


def _no_formula(cell: Cell) -> str:
    """Return a cell as no spreadsheet takes it for a formula.

    >>> _no_formula("=HYPERLINK(1)"), _no_formula(2.0)
    ("'=HYPERLINK(1)", '2')

    """
    if not isinstance(cell, str):
        return f"{cell:g}"
    return f"'{cell}" if re.match(r"\s*[=+\-@|%]", cell) else cell


def write_xlsx(path: Path, title: str, outcomes: Sequence[StudentMarks]) -> bool:
    """Write the marks as XLSX; False where openpyxl is not installed."""
    try:
        import openpyxl
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.styles import Font
    except ImportError:
        return False
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("marks")
    book.properties.title = title
    sheet.freeze_panes = "B2"
    for number, row in enumerate(rows(outcomes)):
        cells = []
        for value in row:
            cell = WriteOnlyCell(sheet, value)
            if isinstance(value, str):
                # openpyxl makes a formula of what begins with "=".
                cell.data_type = "s"
                cell.quotePrefix = bool(re.match(r"\s*[=+\-@]", value))
            if number == 0:
                cell.font = Font(bold=True)
            cells.append(cell)
        sheet.append(cells)
    book.save(path)
    return True
