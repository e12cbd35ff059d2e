"""A router's translator between IPv6 and IPv4: stopped, or at work and without an answer."""

from __future__ import annotations

import dataclasses

import pytest

from playground.operations.diagnosis.evidence.facts import Facts, Names, Question
from playground.operations.diagnosis.evidence.network_state import InterfaceState, NodeState
from playground.operations.diagnosis.faults.link_faults import interface_fault
from playground.operations.diagnosis.faults.translator_faults import (
    stopped_translator,
    unanswered_below,
)
from playground.operations.diagnosis.faults.walk import Walk
from playground.operations.network import Host, Link, Router
from playground.planning.planner import make_plan

DEVICE = InterfaceState("nat64", up=True, carrier=False, mtu_bytes=1500, mac="", addresses=())


def walk(device: InterfaceState = DEVICE, *, translates: bool = True) -> Walk:
    h1, r1, www = Host("h1"), Router("r1"), Host("www")
    Link(h1, r1, subnet="2001:db8:1::/64")
    uplink = Link(r1, www, subnet="203.0.113.0/24")
    if translates:
        r1.nat64(uplink)
    old = "2001:db8:64:ff9b::203.0.113.2"
    question = Question("h1", old, "tcp", 80)
    states = {"r1": NodeState("r1", (device,))}
    return Walk(Facts(make_plan([h1]), question, Names((old,)), old, states=states))


def test_a_translator_that_does_not_run_is_what_is_to_be_started() -> None:
    found = stopped_translator(walk(), "r1", "nat64")
    assert found is not None
    assert (found.node, found.cause) == ("r1", "translator stopped")
    assert 'r1.services["nat64"].start()' in found.advice
    assert interface_fault(walk(), "r1", DEVICE) == found


@pytest.mark.parametrize(
    "known",
    [walk(dataclasses.replace(DEVICE, carrier=True)), walk(translates=False)],
    ids=["it runs", "a device of the user's"],
)
def test_else_no_translator_has_stopped(known: Walk) -> None:
    assert stopped_translator(known, "r1", "nat64") is None


def test_the_way_behind_a_translator_is_another_question() -> None:
    found = unanswered_below(walk().facts, "r1")
    assert (found.node, found.cause) == ("r1", "no answer")
    assert "lab.explain('r1', '203.0.113.2', port=80)" in found.advice
