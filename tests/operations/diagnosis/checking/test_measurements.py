"""Throughput and delay within bounds."""

from __future__ import annotations

import pytest

from playground import CheckFailed, Lab
from playground.errors import BadArgument


def test_delay_within_bounds(lab: Lab) -> None:
    link = lab.link("r2", "www")
    link.impair(delay_ms=30)
    try:
        found = lab.check.delay("h1", "www", at_least_ms=60, at_most_ms=5000, count=3)
        assert found >= 60
        with pytest.raises(CheckFailed, match="The round trip from h1 to www should be at most 10"):
            lab.check.delay("h1", "www", at_most_ms=10, count=3)
    finally:
        link.restore()


def test_throughput_within_bounds(lab: Lab) -> None:
    link = lab.link("r2", "www")
    link.impair(rate_mbit=2)
    try:
        found = lab.check.throughput("h1", "www", at_least_mbit=0.1, at_most_mbit=6, seconds=1)
        assert found > 0
        with pytest.raises(CheckFailed, match="TCP from h1 to www should be at least 100 Mbit/s"):
            lab.check.throughput("h1", "www", at_least_mbit=100, seconds=1)
    finally:
        link.restore()


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({}, "nothing is checked: say at_least_ms= or at_most_ms="),
        ({"at_least_ms": "fast"}, "at_least_ms='fast' is no number"),
        ({"at_least_ms": 5, "at_most_ms": 4}, "nothing is at least 5 and at most 4 ms"),
    ],
)
def test_bounds_that_are_none_are_refused(lab: Lab, bounds: dict[str, float], said: str) -> None:
    with pytest.raises(BadArgument, match=said):
        lab.check.delay("h1", "www", **bounds)  # type: ignore[arg-type]
