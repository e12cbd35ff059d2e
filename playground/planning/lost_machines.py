"""A plan without some nodes: those that machines of a swarm had that are gone, say.  Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from playground.model.policy_routing import sysctl_parts
from playground.planning.placement.shapes import Placement
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import OwnRoutePlan, SwitchPlan, WirePlan


def without_machines(plan: Plan, machines: Collection[str]) -> tuple[Plan, tuple[WirePlan, ...]]:
    """Return what is left of a plan, and the wires that led from there to what is gone.

    What is left has no interface at those wires, and nothing that leads by one: the step from it
    to the whole plan makes all of these anew.  A bond that loses a link goes as a whole, for none
    that is there takes another link in.

    """
    places = plan.placement.machines if plan.placement else {}
    return without_nodes(plan, {name for name, machine in places.items() if machine in machines})


def without_nodes(plan: Plan, gone: Collection[str]) -> tuple[Plan, tuple[WirePlan, ...]]:
    """Return what is left of a plan without some nodes and switches, and the wires cut."""
    places = plan.placement.machines if plan.placement else {}
    gone = {*gone}
    cut, ends = _cut(plan, gone)
    nodes = tuple(_without(node, ends) for node in plan.nodes if node.name not in gone)
    left = {name: machine for name, machine in places.items() if name not in gone}
    wires = tuple(wire for wire in plan.wires if wire not in cut)
    crossing = tuple(
        (w.a.node, w.b.node) for w in wires if left.get(w.a.node) != left.get(w.b.node)
    )
    rest = dataclasses.replace(
        plan,
        nodes=nodes,
        switches=tuple(
            _without_ports(switch, {port for name, port in ends if name == switch.name})
            for switch in plan.switches
            if switch.name not in gone
        ),
        wires=wires,
        placement=Placement(tuple(left.items()), crossing) if plan.placement else None,
        stopped=tuple(item for item in plan.stopped if item.name not in gone),
    )
    leading = tuple(wire for wire in cut if {wire.a.node, wire.b.node} - gone)
    return rest, leading


def _cut(plan: Plan, gone: set[str]) -> tuple[tuple[WirePlan, ...], set[tuple[str, str]]]:
    """Return the wires that go with some nodes, and where they end."""
    ends: set[tuple[str, str]] = set()
    bonds = _bonds(plan)
    while True:
        cut = tuple(
            wire
            for wire in plan.wires
            if {wire.a.node, wire.b.node} & gone or {*_ends(wire)} & ends
        )
        found = {end for wire in cut for end in _ends(wire)}
        found |= {end for bond in bonds if bond & found for end in bond}
        if found == ends:
            return cut, ends
        ends = found


def _ends(wire: WirePlan) -> list[tuple[str, str]]:
    return [(end.node, end.interface) for end in (wire.a, wire.b)]


def _bonds(plan: Plan) -> list[set[tuple[str, str]]]:
    """Return of each bond its interface and those that it is made of."""
    made = [
        (node.name, item.bond) for node in plan.nodes for item in node.interfaces if item.bond
    ] + [(switch.name, bond) for switch in plan.switches for bond in switch.bonds]
    return [{(node, name) for name in (bond.name, *bond.members)} for node, bond in made]


def _without_ports(switch: SwitchPlan, ports: Collection[str]) -> SwitchPlan:
    """Return a switch that has not been told anything of some of its ports."""
    if not ports:
        return switch
    mirror = switch.mirror
    if mirror and {mirror.to, *mirror.entering, *mirror.leaving} & {*ports}:
        mirror = None
    return dataclasses.replace(
        switch,
        mirror=mirror,
        ports=tuple(item for item in switch.ports if item.port not in ports),
        port_settings=tuple(item for item in switch.port_settings if item.port not in ports),
        guards=tuple(item for item in switch.guards if item.port not in ports),
        bonds=tuple(bond for bond in switch.bonds if bond.name not in ports),
    )


def _without(node: NodePlan, ends: Collection[tuple[str, str]]) -> NodePlan:
    """Return a node without some of its interfaces, and without what the kernel loses with them."""
    names = {interface for name, interface in ends if name == node.name}
    if not names:
        return node
    kept = tuple(item for item in node.interfaces if not {item.name, item.parent} & names)
    there = {item.name for item in kept}
    lost = {item.name for item in node.interfaces} - there
    return dataclasses.replace(
        node,
        interfaces=kept,
        routes=tuple(route for route in node.routes if route.interface not in lost),
        own_routes=tuple(route for route in node.own_routes if not _leads_by(route, lost)),
        sysctls=tuple(item for item in node.sysctls if not _is_of(item[0], lost)),
    )


def _leads_by(route: OwnRoutePlan, interfaces: Collection[str]) -> bool:
    return any(hop.interface in interfaces for hop in route.hops)


def _is_of(sysctl: str, interfaces: Collection[str]) -> bool:
    return any(part in interfaces for part in sysctl_parts(sysctl)[3:4])
