"""What queues held and dropped meanwhile: only those are looked at where frames may wait."""

from __future__ import annotations

import dataclasses

from playground.model.queues.classes import TrafficClass
from playground.operations.diagnosis.evidence.queue_looks import (
    MOST_S,
    compare_queues,
    longest_wait_s,
    queued_directions,
)
from playground.operations.links.queue_statistics import QueueStatistics
from playground.operations.network import Host, Link
from playground.planning.plan import Plan
from playground.planning.planner import make_plan


def plan_of() -> Plan:
    h1, h2, h3 = Host("h1"), Host("h2"), Host("h3")
    link = Link(h1, h2)
    link.impair(rate_mbit=8, toward=h2)
    link.classes(TrafficClass("voice", rate_mbit=1, dscp="EF"), TrafficClass("rest", 2), toward=h2)
    Link(h2, h3)
    return make_plan([h1])


def row(name: str, waiting_bytes: int, dropped: int = 0) -> QueueStatistics:
    return QueueStatistics("h2", "pfifo", name, "", 0, 0, dropped, 0, 3, waiting_bytes)


def test_a_plain_cable_has_nothing_to_wait_in() -> None:
    [one] = queued_directions(plan_of())
    assert one.place == ("h1", "eth0")
    assert one.rates_mbit == {"": 8, "voice": 1, "rest": 2}


def test_what_waits_leaves_by_the_rate_that_its_class_is_promised() -> None:
    plan, place = plan_of(), ("h1", "eth0")
    rows = [row("voice", 125_000), row("rest", 125_000)]
    assert longest_wait_s(plan, {place: rows}) == 1.0
    assert longest_wait_s(plan, {place: [row("voice", 10**9)]}) == MOST_S
    assert longest_wait_s(plan, {}) == 0


def test_drops_are_counted_from_the_look_before() -> None:
    plan, place = plan_of(), ("h1", "eth0")
    before, after = [row("voice", 0, 5)], [row("voice", 12_500, 7), row("rest", 0, 4)]
    voice, rest = compare_queues(plan, {place: before}, {place: after})[place]
    assert (voice.dropped, voice.waiting_packets, voice.wait_s) == (2, 3, 0.1)
    # Nothing is known of before.
    assert rest.dropped == 0
    anew = [dataclasses.replace(after[0], dropped=1)]
    assert compare_queues(plan, {place: before}, {place: anew})[place][0].dropped == 0
