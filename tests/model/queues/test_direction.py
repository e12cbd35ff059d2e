"""One direction of a link: in which order impairment, rate and queue stand, and what clashes."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.model.impairment import Impairment
from playground.model.queues.classes import Classes, TrafficClass
from playground.model.queues.direction import as_shell, from_data, refuse_together, request
from playground.model.queues.discipline import Queue


def kinds(*shell: str) -> list[str]:
    return [
        line.partition(" handle ")[2].split()[1] for line in shell if line.startswith("tc qdisc")
    ]


@pytest.mark.parametrize(
    ("impairment", "by", "expected"),
    [
        (None, (), ["pie"]),
        (Impairment(rate_mbit=1), (), ["tbf", "pie"]),
        (Impairment(rate_mbit=1, delay_ms=5), (), ["netem", "tbf", "pie"]),
        (Impairment(delay_ms=5), ("netem",), ["netem", "pie"]),
        (Impairment(rate_mbit=1, delay_ms=5), ("tbf", "relay"), ["tbf", "pie"]),
        (Impairment(rate_mbit=1, loss_percent=5), ("tbf", "filter"), ["tbf", "pie"]),
    ],
)
def test_frames_are_delayed_first_and_then_wait_for_the_rate(
    impairment: Impairment | None, by: tuple[str, ...], expected: list[str]
) -> None:
    shell = as_shell(impairment, Queue("pie"), "eth0", by, 1500)
    assert kinds(*(line for line in shell if "clsact" not in line)) == expected


def test_each_queue_stands_below_the_one_before() -> None:
    shell = as_shell(Impairment(rate_mbit=1, delay_ms=5), Queue("pie"), "eth0", (), 1500)
    assert [line.split(" handle ")[0] for line in shell] == [
        "tc qdisc replace dev eth0 root",
        "tc qdisc replace dev eth0 parent 7067:1",
        "tc qdisc replace dev eth0 parent 7068:1",
    ]


def test_cake_keeps_the_rate_by_itself() -> None:
    assert as_shell(Impairment(rate_mbit=1), Queue("cake"), "eth0", (), 1500) == (
        "tc qdisc replace dev eth0 root handle 7067: cake bandwidth 1000kbit diffserv3 rtt 100ms",
    )


def test_without_a_queue_nothing_is_asked_for() -> None:
    assert request(None, None, 1500) is None
    assert as_shell(None, None, "eth0", (), 1500) == ()
    impairment = Impairment(delay_ms=1)
    assert request(impairment, None, 1500) == impairment.request(1500)
    assert from_data(None) is None


def test_a_limit_is_said_in_one_place() -> None:
    impairment = Impairment(rate_mbit=1, queue_packets=20)
    refuse_together("link", impairment, None)
    with pytest.raises(TopologyError, match="queue_packets=20 of impair"):
        refuse_together("link", impairment, Queue("pfifo"))


def test_no_more_is_promised_than_there_is() -> None:
    classes = Classes((TrafficClass("a", 2, dscp=1), TrafficClass("b", 3)))
    refuse_together("link", Impairment(rate_mbit=5), classes)
    with pytest.raises(TopologyError, match="promised 5 Mbit/s in all"):
        refuse_together("link", Impairment(rate_mbit=4), classes)
