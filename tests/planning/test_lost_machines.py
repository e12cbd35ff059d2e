"""A plan without what lost machines had."""

from __future__ import annotations

import dataclasses

from playground import Bond, Host, Lab, Link, Router, Switch
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


def switched() -> Plan:
    """Two switches that know much of their ports, and a host with a bond to both; not started."""
    left, right = Switch("left"), Switch("right")
    a, b, host = Host("a"), Host("b"), Host("h")
    between, to_a, to_b = Link(left, right), Link(left, a), Link(left, b)
    first, second = Link(left, host), Link(right, host)
    Bond(first, second, mode="active-backup")
    left.set_port(between, cost=7)
    left.set_port(to_a, cost=8)
    left.set_port(to_b, max_macs=3)
    left.mirror(to_a, to=to_b)
    places = (("left", "m1"), ("a", "m1"), ("h", "m1"), ("b", "m2"), ("right", "m3"))
    return dataclasses.replace(Lab(left, engine="namespaces").plan(), placement=Placement(places))


def test_what_a_switch_was_told_of_ports_that_are_made_anew_is_told_again() -> None:
    plan = switched()
    rest, _ = without_machines(plan, ["m2"])
    [left] = [switch for switch in rest.switches if switch.name == "left"]
    assert (left.mirror, left.guards) == (None, ())
    [change] = compare(rest, plan).switches_change
    assert change.new.mirror is not None
    assert [guard.port for guard in change.old.guards_anew(change.new)] == [change.new.mirror.to]
    # Of ports that stayed nothing is told.
    assert [item.cost for item in left.port_settings] == [7, 8]
    assert change.old.set_anew(change.new) == ()

    rest, _ = without_machines(plan, ["m3"])
    [change] = compare(rest, plan).switches_change
    assert [item.cost for item in change.old.set_anew(change.new)] == [7]
    assert change.old.mirror == change.new.mirror is not None


def test_a_bond_that_loses_a_link_is_made_anew_with_all_of_them() -> None:
    plan = switched()
    rest, leading = without_machines(plan, ["m3"])
    assert rest.node("h").interfaces == ()
    bonded = [wire for wire in plan.wires if wire.bond or wire.member]
    assert len(bonded) == 3
    assert set(bonded) < set(leading)
    change = compare(rest, plan)
    assert set(bonded) < set(change.wires)
    [inside] = change.inside
    assert inside.node == "h"
    assert [item.name for item in inside.interfaces if item.bond] == ["bond0"]


def test_a_bond_whose_links_are_all_there_stays() -> None:
    plan = switched()
    rest, _ = without_machines(plan, ["m2"])
    assert rest.node("h") == plan.node("h")
