"""A plan without what machines of a swarm had that are gone.  Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from playground.model.policy_routing import sysctl_parts
from playground.planning.placement.shapes import Placement
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import OwnRoutePlan, WirePlan


def without_machines(plan: Plan, machines: Collection[str]) -> tuple[Plan, tuple[WirePlan, ...]]:
    """Return what is left of a plan, and the wires that led from there to what is gone.

    What is left has no interface at those wires, and nothing that leads by one: the step from it
    to the whole plan makes all of these anew.

    """
    places = plan.placement.machines if plan.placement else {}
    gone = {name for name, machine in places.items() if machine in machines}
    cut = tuple(wire for wire in plan.wires if {wire.a.node, wire.b.node} & gone)
    ends = {(end.node, end.interface) for wire in cut for end in (wire.a, wire.b)}
    nodes = tuple(_without(node, ends) for node in plan.nodes if node.name not in gone)
    left = {name: machine for name, machine in places.items() if name not in gone}
    wires = tuple(wire for wire in plan.wires if wire not in cut)
    crossing = tuple((w.a.node, w.b.node) for w in wires if left[w.a.node] != left[w.b.node])
    rest = dataclasses.replace(
        plan,
        nodes=nodes,
        switches=tuple(switch for switch in plan.switches if switch.name not in gone),
        wires=wires,
        placement=Placement(tuple(left.items()), crossing),
    )
    leading = tuple(wire for wire in cut if {wire.a.node, wire.b.node} - gone)
    return rest, leading


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
