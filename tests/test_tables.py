"""Rows as text."""

from __future__ import annotations

from dataclasses import dataclass

from playground.tables import Table


@dataclass(frozen=True)
class Hop:
    node: str
    number: int | None
    up: bool = True


def test_a_table_is_aligned_text() -> None:
    table = Table([Hop("modem", 1), Hop("isp", 12, up=False), Hop("www", None)])
    assert repr(table).splitlines() == [
        "node   number  up",
        "modem       1  yes",
        "isp        12  no",
        "www            yes",
    ]


def test_a_table_is_a_tuple_of_its_rows() -> None:
    hop = Hop("modem", 1)
    assert Table([hop])[0] is hop
    assert Table([hop]) == (hop,)
    assert [row.number for row in Table([hop])] == [1]


def test_an_empty_table_says_so() -> None:
    assert repr(Table([])) == "(no rows)"
    assert "no rows" in Table([])._repr_html_()


def test_a_table_in_a_notebook_is_a_table_whatever_its_cells_hold() -> None:
    text = Table([Hop("<b>", 1)])._repr_html_()
    assert "<th>number</th>" in text
    assert "<td>&lt;b&gt;</td>" in text
