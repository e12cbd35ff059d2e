"""Bounds of chance, against sums that are easily done by hand."""

from __future__ import annotations

import pytest

from tests.chance import binomial_bounds


def test_a_fair_coin_thrown_ten_times() -> None:
    # None, or all, of ten: once in 1024 each; at most one: 11 times in 1024.
    assert binomial_bounds(10, 0.5, alarm=0.5 / 1024) == (0, 10)
    assert binomial_bounds(10, 0.5, alarm=2 / 1024) == (1, 9)
    assert binomial_bounds(10, 0.5, alarm=12 / 1024) == (2, 8)


@pytest.mark.parametrize(("probability", "bounds"), [(0, (0, 0)), (1, (50, 50))])
def test_what_is_certain_has_no_room(probability: float, bounds: tuple[int, int]) -> None:
    assert binomial_bounds(50, probability) == bounds


def test_bounds_lie_some_five_deviations_from_the_mean() -> None:
    low, high = binomial_bounds(10_000, 0.2)  # a deviation of 40
    assert 2000 - 6 * 40 < low < 2000 - 5 * 40
    assert 2000 + 5 * 40 < high < 2000 + 6 * 40
