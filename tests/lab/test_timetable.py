"""Things that are planned are done in the order of their times."""

from __future__ import annotations

import pytest

from playground.errors import BadArgument, NotReady
from playground.lab.timetable import Timetable


def test_what_is_planned_is_done_in_the_order_of_its_times() -> None:
    done: list[str] = []
    table = Timetable()
    last = table.at(0.02, done.append, "last")
    table.at(0, done.append, "first")
    table.at(0.01, done.append, "second")
    assert done == []
    table.begin()
    last.wait(10)
    assert done == ["first", "second", "last"]
    assert {row.state for row in table.rows()} == {"done"}


def test_what_is_planned_later_counts_from_then() -> None:
    done: list[int] = []
    table = Timetable()
    table.begin()
    table.at(0, done.append, 1).wait(10)
    table.at(0, done.append, 2).wait(10)
    assert done == [1, 2]


def test_nothing_is_done_that_was_cancelled_or_after_the_end() -> None:
    done: list[int] = []
    table = Timetable()
    never, later = table.at(0, done.append, 1), table.at(1000, done.append, 2)
    never.cancel()
    table.begin()
    table.end()
    never.wait(10)
    later.wait(10)
    assert (done, never.state, later.state) == ([], "cancelled", "cancelled")


@pytest.mark.filterwarnings("ignore:what was planned")
def test_an_error_is_raised_to_who_waits() -> None:
    table = Timetable()
    table.begin()
    planned = table.at(0, {}.pop, "x")
    with pytest.raises(KeyError):
        planned.wait(10)
    assert planned.state == "failed"
    with pytest.raises(NotReady, match="was not done within"):
        table.at(1000, print).wait(0)
    table.end()


def test_a_row_says_what_will_be_called() -> None:
    table = Timetable()
    table.at(5, [].append, 7)
    assert repr(table.rows()).splitlines() == [
        "after_s  what          state",
        "      5  [].append(7)  planned",
    ]


@pytest.mark.parametrize(("seconds", "action"), [(-1, print), ("5", print), (5, None)])
def test_what_cannot_be_planned(seconds: float, action: object) -> None:
    with pytest.raises(BadArgument, match="give"):
        Timetable().at(seconds, action)  # type: ignore[arg-type]
