"""A plan without what lost machines had."""

from __future__ import annotations

import dataclasses

from playground import Host, Lab, Link, Router, Switch
from playground.planning.difference import compare
from playground.planning.lost_machines import without_machines
from playground.planning.placement.shapes import Placement
from playground.planning.plan import Plan


def placed(places: dict[str, str]) -> Plan:
    """A router with a host of its own, and behind a switch two more; not started."""
    router, lan = Router("r1"), Switch("lan")
    Link(router, Host("near"))
    Link(router, lan)
    for name in ("a", "b"):
        Link(lan, Host(name))
    plan = Lab(router, engine="namespaces").plan()
    return dataclasses.replace(plan, placement=Placement(tuple(places.items())))


def test_nodes_switches_and_wires_go_with_their_machine() -> None:
    plan = placed({"r1": "m1", "near": "m1", "lan": "m2", "a": "m2", "b": "m3"})
    rest, leading = without_machines(plan, ["m2"])
    assert [node.name for node in rest.nodes] == ["r1", "near", "b"]
    assert rest.switches == ()
    assert [{wire.a.node, wire.b.node} for wire in rest.wires] == [{"r1", "near"}]
    assert [{wire.a.node, wire.b.node} for wire in leading] == [{"r1", "lan"}, {"lan", "b"}]
    assert rest.placement is not None
    assert rest.placement.machines == {"r1": "m1", "near": "m1", "b": "m3"}


def test_who_is_left_has_nothing_that_led_there() -> None:
    plan = placed({"r1": "m1", "near": "m1", "lan": "m2", "a": "m2", "b": "m3"})
    rest, _ = without_machines(plan, ["m2"])
    assert [item.name for item in rest.node("r1").interfaces] == ["eth0"]
    assert rest.node("b").interfaces == rest.node("b").routes == ()
    assert rest.node("near") == plan.node("near")
    assert not any("eth1" in name for name, _ in rest.node("r1").sysctls)


def test_the_step_back_makes_anew_what_is_gone_and_nothing_else() -> None:
    plan = placed({"r1": "m1", "near": "m1", "lan": "m2", "a": "m2", "b": "m3"})
    rest, leading = without_machines(plan, ["m2"])
    change = compare(rest, plan)
    assert [node.name for node in change.nodes] == ["a"]
    assert len(change.bridges) == 1
    assert set(leading) < set(change.wires) and len(change.wires) == 3
    inside = {one.node: one for one in change.inside}
    assert [item.name for item in inside["r1"].interfaces] == ["eth1"]
    assert [item.name for item in inside["b"].interfaces] == ["eth0"]
    assert inside["b"].routes_add == plan.node("b").routes
    assert "near" not in inside
    assert change.wires_remove == ()


def test_where_nothing_is_lost_nothing_goes() -> None:
    plan = placed(dict.fromkeys(("r1", "near", "lan", "a", "b"), "m1"))
    rest, leading = without_machines(plan, ["m2"])
    assert (rest.nodes, rest.wires, leading) == (plan.nodes, plan.wires, ())
