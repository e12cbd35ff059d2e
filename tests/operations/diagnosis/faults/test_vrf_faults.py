"""Faults of routers with VRFs, in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from playground.operations.diagnosis.evidence.facts import Way
from playground.operations.diagnosis.faults.vrf_faults import (
    kept_apart,
    looked_up_again,
    no_way_in_vrf,
)
from playground.operations.network import Host, Link, Router
from playground.planning.planner import make_plan


@pytest.fixture
def facts() -> Any:
    pe, h1 = Router("pe"), Host("h1")
    pe.vrf("blue", Link(pe, h1))
    pe.vrf("red", Link(pe, Host("h2")))
    Link(pe, Host("h3"))
    states = {"pe": SimpleNamespace(routes=[])}
    return SimpleNamespace(plan=make_plan([pe]), states=states)


def test_a_way_to_another_vrf_is_looked_up_again(facts: Any) -> None:
    way = Way(interface="red", prefix="10.0.2.0/24", protocol="static", vrf="blue")
    assert looked_up_again(facts, "pe", way) == (
        "10.0.2.0/24 dev red (static) in the VRF blue, looked up again in the VRF red: "
    )
    assert looked_up_again(facts, "pe", Way(interface="eth0")) == ""
    assert looked_up_again(facts, "pe", Way(113)) == looked_up_again(facts, "pe", None) == ""


def test_the_vrf_without_a_way_is_named(facts: Any) -> None:
    steps: list[Any] = []
    walk: Any = SimpleNamespace(facts=facts, step=lambda *said: steps.append(said))
    fault = no_way_in_vrf(walk, "probe", "pe", "eth0", "10.9.0.1", Way(113))
    assert fault is not None and fault.cause == "no route"
    assert "eth0, which is in the VRF blue, and that VRF has no route to" in fault.sentence
    assert 'pe.routes(vrf="blue")' in fault.advice
    assert steps == [("pe", "route", "no way to 10.9.0.1 in the VRF blue", False)]
    # In the main table all is as with other routers, and so it is where there is a way.
    assert no_way_in_vrf(walk, "probe", "pe", "eth2", "10.9.0.1", Way(113)) is None
    assert no_way_in_vrf(walk, "probe", "pe", "eth0", "10.9.0.1", Way(interface="eth1")) is None


def test_nodes_that_vrfs_keep_apart_need_leaks_both_ways() -> None:
    fault = kept_apart("h1", "h2", "pe", "blue", None)
    assert "h1 is behind links of the VRF blue, h2 behind links of the main table" in fault.sentence
    assert fault.advice.count('pe.leak(..., source="blue", into=None)') == 1
