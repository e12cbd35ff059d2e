"""Cells hold what a host has said as short text, without a character that has an effect."""

from __future__ import annotations

from ipaddress import ip_network

from playground.frontends.web.content.cells import MOST_ROWS, cell, columns, label, rows

EVIL = "<img src=x onerror=alert(1)>\x1b[2J\u202e"


def test_a_cell_stays_as_it_is_but_for_characters_that_have_an_effect() -> None:
    assert cell(EVIL) == "<img src=x onerror=alert(1)>\\x1b[2J\\u202e"


def test_half_characters_of_file_names_can_be_sent_to_a_browser() -> None:
    name = cell(b"caf\xe9".decode("utf-8", "surrogateescape"))
    assert isinstance(name, str)
    assert name.encode()


def test_a_long_text_is_cut() -> None:
    assert len(str(cell("x" * 10**6))) < 310


def test_values_that_are_no_text() -> None:
    assert cell(ip_network("10.0.0.0/8")) == "10.0.0.0/8"
    assert (cell(None), cell(False), cell(1.5), cell(["a", None, 2])) == ("", "no", 1.5, "a, , 2")


def test_a_table_has_the_columns_asked_for_and_no_end_of_rows() -> None:
    found = rows(({"port": n, "raw": object()} for n in range(10**4)), ["port", "program"])
    assert len(found) == MOST_ROWS
    assert found[2] == {"row": 2, "port": 2, "program": ""}


def test_columns_say_their_units() -> None:
    [size] = columns(["memory_mb"], numbers=["memory_mb"])
    assert (size["label"], size["align"], size["field"]) == ("memory (MB)", "right", "memory_mb")
    assert label("answers_from_port") == "answers from port"
