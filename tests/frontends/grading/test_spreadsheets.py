"""Tables for spreadsheets hold text, and no formulas."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import openpyxl
import pytest

from playground.frontends.grading.spreadsheets import csv_text, write_xlsx
from tests.frontends.grading.class_of import CLASS


def test_csv_has_a_row_a_student_and_a_column_a_check() -> None:
    table = list(csv.reader(io.StringIO(csv_text(CLASS))))
    assert table[0][:4] == ["student", "points", "of", "h1 reads the page"]
    assert table[1][:6] == ["anna", "3", "6", "2", "1", "0"]


def test_no_cell_of_csv_begins_a_formula() -> None:
    table = list(csv.reader(io.StringIO(csv_text(CLASS))))
    cells = [cell for row in table for cell in row]
    assert any("cmd|" in cell for cell in cells)
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@")]
    assert "\x1b" not in csv_text(CLASS)


@pytest.mark.parametrize("sheet", [0])
def test_xlsx_holds_numbers_and_text(tmp_path: Path, sheet: int) -> None:
    assert write_xlsx(tmp_path / "marks.xlsx", "exercise", CLASS)
    rows = list(openpyxl.load_workbook(tmp_path / "marks.xlsx").worksheets[sheet].rows)
    assert [cell.value for cell in rows[1]][:3] == ["anna", 3, 6]
    assert rows[2][0].value.startswith("=cmd|")
    assert {cell.data_type for row in rows for cell in row} <= {"s", "n", "inlineStr"}
