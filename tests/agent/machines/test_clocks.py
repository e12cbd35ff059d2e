"""Clocks of machines that differ."""

from __future__ import annotations

import time

import pytest

from playground.agent.machines.clocks import ahead_ns, clocks_ahead


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([(0, 50, 100)], 0),
        ([(0, 0, 100), (0, 100, 100)], 0),  # it may be right
        ([(0, 1_050, 100)], 1_000),
        ([(0, -950, 100)], -1_000),
        ([(0, 90_000, 100_000), (200_000, 201_050, 200_100)], 1_000),  # the shortest way counts
    ],
)
def test_a_clock_is_ahead_by_as_much_as_can_be_told(
    asked: list[tuple[int, int, int]], found: int
) -> None:
    assert ahead_ns(asked) == found


def test_each_machine_is_asked_and_the_best_answer_counts() -> None:
    hour_ns = 3600 * 10**9
    steps = clocks_ahead([1, 2])
    asked = next(steps)
    seen = []
    try:
        while True:
            [(machine, (op, _))] = asked.items()
            seen.append((machine, op))
            asked = steps.send({machine: time.time_ns() + (hour_ns if machine == 2 else 0)})
    except StopIteration as stop:
        found = stop.value
    assert set(seen) == {(1, "clock"), (2, "clock")}
    assert found[1] == 0
    assert abs(found[2] - hour_ns) < 10**9
