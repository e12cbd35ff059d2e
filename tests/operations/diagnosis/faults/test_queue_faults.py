"""A queue that drops, and a class of traffic that starves, are named, with what to do."""

from __future__ import annotations

import dataclasses

import pytest

from playground.operations.diagnosis.evidence.facts import Facts, Names, Question
from playground.operations.diagnosis.evidence.queue_looks import QueueLook
from playground.operations.diagnosis.faults.queue_faults import full_queue
from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.operations.network import Host, Link
from playground.planning.planner import make_plan

QUIET = QueueLook("pfifo", "", "", 0, 0.0, 0)


def fault(*looks: QueueLook) -> Fault | None:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    plan = make_plan([h1])
    [wire] = plan.wires
    question = Question("h1", "h2", "icmp")
    facts = Facts(plan, question, Names(()), queues={("h1", "eth0"): looks})
    return full_queue(Walk(facts), [(wire, wire.a, wire.b)])


def test_a_queue_that_holds_little_is_no_fault() -> None:
    assert fault() is None
    assert fault(dataclasses.replace(QUIET, waiting_packets=3, wait_s=0.1)) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [("", r"the queue \(pfifo\) of its link to h2"), ("bulk", "the class bulk of its link to h2")],
)
def test_the_queue_that_drops_is_named(name: str, words: str) -> None:
    full = dataclasses.replace(QUIET, traffic_class=name, waiting_packets=20, dropped=4)
    found = fault(dataclasses.replace(full, traffic_class="", dropped=4), full)
    assert found is not None
    assert (found.node, found.cause) == ("h1", "queue")
    assert "20 wait, and 4 were dropped" in found.sentence
    assert words.replace("\\", "") in found.sentence
    assert "fq_codel" in found.advice


def test_a_class_that_starves_is_named() -> None:
    slow = dataclasses.replace(QUIET, traffic_class="bulk", waiting_packets=9, wait_s=4.0)
    found = fault(QUIET, slow)
    assert found is not None
    assert "9 packets wait in the class bulk of its link to h2, which takes 4.0 s" in found.sentence
    assert "promise that class more" in found.advice
