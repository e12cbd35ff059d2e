"""Impairments of a link, as data and as commands."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.impairment import DISTRIBUTIONS, NO_IMPAIRMENT, Impairment, delay_table

ALL = Impairment(
    delay_ms=50,
    jitter_ms=10,
    distribution="normal",
    loss_percent=1,
    duplicate_percent=0.5,
    corrupt_percent=0.1,
    reorder_percent=25,
    rate_mbit=1.5,
    queue_packets=50,
)


def test_nothing_said_is_nothing_done() -> None:
    assert not Impairment()
    assert Impairment() == NO_IMPAIRMENT
    assert Impairment(delay_ms=1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"delay_ms": -1}, "delay_ms=-1 cannot be; give a number of milliseconds from 0 to"),
        ({"delay_ms": True}, "delay_ms=True cannot be"),
        ({"delay_ms": float("nan")}, "delay_ms=nan cannot be"),
        ({"loss_percent": 101}, "loss_percent=101 cannot be; give a number of percent"),
        ({"rate_mbit": 0}, "rate_mbit=0 cannot be; give a number of Mbit/s from 0.001"),
        ({"queue_packets": 1.5}, "queue_packets=1.5 is no whole number"),
        ({"jitter_ms": 5}, "give a delay_ms of 5 or more"),
        ({"delay_ms": 5, "distribution": "pareto"}, "give a jitter_ms too"),
        ({"distribution": "gauss"}, "use 'uniform', 'normal', 'pareto'"),
        ({"loss_correlation": 25}, "needs a loss_percent"),
        ({"loss_percent": 5, "loss_correlation": 100}, "for ever; give less than 100"),
        ({"delay_ms": 3000, "jitter_ms": 2500}, "milliseconds from 0 to 2,147"),
        ({"queue_packets": 7}, "queue_packets=7 alone changes nothing"),
        ({"reorder_percent": 25}, "needs a delay_ms"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(TopologyError, match=words.replace("(", r"\(")):
        Impairment(**settings)


def test_the_command_that_does_the_same() -> None:
    assert ALL.as_shell("eth0") == (
        "tc qdisc replace dev eth0 root netem limit 50 delay 50ms 10ms distribution normal "
        "loss 1% duplicate 0.5% corrupt 0.1% reorder 25% rate 1500kbit"
    )
    assert Impairment(loss_percent=2, loss_correlation=50).as_shell("eth1") == (
        "tc qdisc replace dev eth1 root netem limit 1000 loss gemodel 1% 49%"
    )
    assert NO_IMPAIRMENT.as_shell("eth0") == "tc qdisc del dev eth0 root"


def test_losses_in_bursts_are_as_many_as_without() -> None:
    begin, end = Impairment(loss_percent=5, loss_correlation=80).bursts()
    assert begin / (begin + end) == pytest.approx(0.05)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS[1:])
def test_jitter_is_spread_around_the_delay_by_as_much_as_it_says(distribution: str) -> None:
    table = delay_table(distribution)
    assert abs(statistics.mean(table)) < 0.05 * 8192
    # Of the Pareto distribution the end of the tail is cut off.
    assert 0.8 * 8192 < statistics.pstdev(table) <= 1.01 * 8192
    assert all(-(2**15) < value < 2**15 for value in table)


def test_what_the_agent_is_told_has_numbers_for_all() -> None:
    request = ALL.request(mtu_bytes=1500)
    assert (request["queue_packets"], request["queue_bytes"]) == (50, 50 * 1514)
    assert request["burst_bytes"] == 2 * 1514
    assert len(request["table"]) == 4096
    assert Impairment(rate_mbit=1000).request(1500)["burst_bytes"] == 500_000
    assert Impairment(delay_ms=1).request(1500)["queue_packets"] == 1000


def test_the_repr_names_what_was_said() -> None:
    assert repr(Impairment(delay_ms=50, rate_mbit=2)) == "Impairment(delay_ms=50, rate_mbit=2)"
