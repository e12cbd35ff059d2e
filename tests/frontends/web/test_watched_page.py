"""What watches the page for an hour: it finds what grows, and passes over what only varies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.frontends.web.watched_page import Measured, growth, office

ROW = Measured(0.0, 0, 150.0, 20.0, 7.0, 1_300, 20, 40, 2.5)


@pytest.mark.parametrize(
    ("name", "late", "grows"),
    [
        ("program_mb", 155, False),
        ("program_mb", 400, True),
        ("page_mb", 60, True),
        ("threads", 25, False),
        ("threads", 60, True),
        ("files", 200, True),
        ("processor_percent", 90, False),
        ("actions", 10_000, False),
    ],
)
def test_what_goes_on_growing_is_told(name: str, late: float, grows: bool) -> None:
    rows = [*[ROW] * 6, *[replace(ROW, **{name: late})] * 2]
    assert [line.partition(" ")[0] for line in growth(rows)] == ([name] if grows else [])


def test_what_grows_in_the_beginning_alone_may() -> None:
    warm = replace(ROW, program_mb=400.0, page_mb=80.0, threads=90)
    assert [*growth([ROW, ROW, *[warm] * 6])] == []


def test_its_lab_has_a_ring_of_switches_and_as_many_hosts_as_were_asked_for() -> None:
    lab = office(60, "watched")
    assert len(lab.nodes) == 66
    assert len(lab.links) == 66
