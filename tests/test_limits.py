"""What may be said of a host's limits."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.limits import NO_LIMITS, Limits, make_limits


def test_nothing_said_is_no_limit() -> None:
    assert make_limits("h1", None, None, None) == NO_LIMITS
    assert not NO_LIMITS


def test_each_can_be_said_alone() -> None:
    assert make_limits("h1", 64, None, None) == Limits(memory_mb=64)
    assert make_limits("h1", None, 2, None) == Limits(cpus=2.0)
    assert make_limits("h1", None, None, 100) == Limits(processes=100)
    assert Limits(processes=100)


@pytest.mark.parametrize("memory_mb", [0, 5, -64, 64.0, "64", "64m", True, float("nan")], ids=repr)
def test_memory_that_cannot_be(memory_mb: object) -> None:
    with pytest.raises(
        TopologyError, match=r"h1: memory_mb=.* is no whole number of megabytes, 6 "
    ):
        make_limits("h1", memory_mb, None, None)


@pytest.mark.parametrize("cpus", [0, -1, 0.001, "0.5", True, float("nan"), float("inf")], ids=repr)
def test_processors_that_cannot_be(cpus: object) -> None:
    with pytest.raises(
        TopologyError, match=r"h1: cpus=.* is no number of processors, 0.01 or more"
    ):
        make_limits("h1", None, cpus, None)


@pytest.mark.parametrize("processes", [0, 7, -1, 100.0, "100", True, [100]], ids=repr)
def test_processes_that_cannot_be(processes: object) -> None:
    with pytest.raises(
        TopologyError, match=r"h1: processes=.* is no whole number of processes, 8 "
    ):
        make_limits("h1", None, None, processes)
