"""Abilities of each engine: one table, in the code, the documentation and the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.engines.choice import NAMES
from playground.engines.seam import WHAT_ONE_CANNOT, Difference, table_of_differences

PAGE = Path(__file__).resolve().parents[2] / "docs" / "engines.md"


def test_the_documentation_has_the_table() -> None:
    assert table_of_differences() in PAGE.read_text()


@pytest.mark.parametrize("row", WHAT_ONE_CANNOT, ids=lambda row: row.what)
def test_a_row_says_who_cannot_and_why(row: Difference) -> None:
    reasons = [row.reason(name) for name in (*NAMES, "rootless")]
    assert any(reasons)
    assert not all(row.reason(name) for name in NAMES)  # that would be no difference
    for reason in filter(None, reasons):
        assert reason.endswith(".")
        assert "|" not in reason


def test_each_stands_there_once() -> None:
    names = [row.what for row in WHAT_ONE_CANNOT]
    assert sorted(set(names)) == sorted(names)


def test_what_root_cannot_nobody_can() -> None:
    row = Difference("fly", namespaces="It has no wings.")
    assert (row.reason("docker"), row.reason("rootless")) == ("", "It has no wings.")
