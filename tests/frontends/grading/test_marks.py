"""Points, and parts of them."""

from __future__ import annotations

import pytest

from playground.errors import BadArgument
from playground.frontends.grading.marks import BROKEN, FAILED, PASSED, Mark, Points, refuse_number


def test_a_check_that_passes_earns_all_its_points() -> None:
    mark = Mark("it works", 2)
    assert (mark.got, mark.whole) == (0, False)
    mark.state = PASSED
    assert (mark.got, mark.whole) == (2, True)


@pytest.mark.parametrize("state", [FAILED, BROKEN])
def test_a_check_that_fails_keeps_the_parts_that_it_earned(state: str) -> None:
    mark = Mark("it works", 4)
    points = Points(mark)
    with points(1, "the first"):
        pass
    mark.state = state
    assert mark.got == 1


def test_a_part_that_fails_costs_its_points_only() -> None:
    mark = Mark("it works", 4)
    points = Points(mark)
    with points(1, "the first"):
        raise AssertionError("no route")
    with points(2, "the second"):
        pass
    mark.state = PASSED
    assert (mark.got, mark.whole) == (3, False)
    assert mark.parts[0].said == "no route"


def test_what_is_no_verdict_is_not_taken_for_one() -> None:
    with pytest.raises(ZeroDivisionError), Points(Mark("it", 1))(1, "a part"):
        _ = 1 / 0


def test_parts_are_not_worth_more_than_the_check() -> None:
    points = Points(Mark("it works", 2))
    with points(2, "all"):
        pass
    with pytest.raises(BadArgument, match=r"points\(3\)"), points(1, "more"):
        pass


@pytest.mark.parametrize("value", ["two", float("nan"), float("inf"), 10**400, -3, 0, True, None])
def test_what_is_no_number_is_worth_nothing(value: object) -> None:
    with pytest.raises(BadArgument, match="write a number above 0, such as points"):
        refuse_number("points", value)
    with (
        pytest.raises(BadArgument, match="write a number above 0"),
        Points(Mark("it works", 4))(value, "a part"),  # type: ignore[arg-type]
    ):
        pass


def test_a_check_may_be_worth_nothing() -> None:
    refuse_number("points", 0, zero=True)
