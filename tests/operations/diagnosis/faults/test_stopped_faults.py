"""A machine that was stopped is named, whatever else is wrong."""

from __future__ import annotations

import pytest

from playground.operations.diagnosis.evidence.facts import Facts, Names, Question
from playground.operations.diagnosis.faults.stopped_faults import with_stopped
from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.operations.network import Host, Link, Router
from playground.planning.plan_parts import StoppedNode
from playground.planning.planner import make_plan


@pytest.mark.parametrize(
    ("stopped", "at", "cause", "sentence"),
    [
        ([], "h1", "no route", "h1 has no way."),
        (["r1"], "r1", "stopped", "r1 is stopped: nothing runs on it, and its links are dead."),
        (["r1"], "h1", "no route", "h1 has no way. (r1 is stopped.)"),
        (["r1", "h2"], "h1", "no route", "h1 has no way. (h2 and r1 are stopped.)"),
    ],
)
def test_who_is_stopped_is_said(stopped: list[str], at: str, cause: str, sentence: str) -> None:
    h1, r1 = Host("h1"), Router("r1")
    Link(h1, r1)
    Link(r1, Host("h2"))
    plan = make_plan([h1]).with_stopped(map(StoppedNode, stopped))
    walk = Walk(Facts(plan, Question("h1", "h2", "icmp"), Names(())))
    fault = with_stopped(walk, Fault(at, "no route", "h1 has no way."))
    assert fault is not None
    assert (fault.cause, fault.sentence) == (cause, sentence)


def test_where_all_is_well_nobody_is_named() -> None:
    h1 = Host("h1")
    Link(h1, Host("h2"))
    plan = make_plan([h1]).with_stopped([StoppedNode("h2")])
    assert with_stopped(Walk(Facts(plan, Question("h1", "h2", "icmp"), Names(()))), None) is None
