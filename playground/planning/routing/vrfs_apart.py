"""A plan as routing protocols see it: each VRF of a router as a router of its own.  Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import WireEnd, WirePlan


def name_in_vrf(node: str, vrf: str | None) -> str:
    """Return what a router is called in one of its VRFs.

    >>> name_in_vrf("pe", "blue"), name_in_vrf("pe", None)
    ('pe (blue)', 'pe')

    """
    return node if vrf is None else f"{node} ({vrf})"


def vrfs_apart(plan: Plan, wires: Iterable[WirePlan]) -> tuple[Plan, list[WirePlan]]:
    """Return a plan and some of its wires with each VRF as a router beside its own.

    A plan without any is returned as it is.

    """
    if not any(node.vrfs for node in plan.nodes):
        return plan, list(wires)
    inside = {
        (node.name, item.name): name_in_vrf(node.name, item.vrf)
        for node in plan.nodes
        for item in node.interfaces
        if item.vrf is not None
    }
    nodes = tuple(part for node in plan.nodes for part in _parts(node, inside))
    apart = dataclasses.replace(
        plan, nodes=nodes, wires=tuple(_wire(wire, inside) for wire in plan.wires)
    )
    return apart, [_wire(wire, inside) for wire in wires]


def _parts(node: NodePlan, inside: Mapping[tuple[str, str], str]) -> Iterator[NodePlan]:
    neighbours = tuple(
        dataclasses.replace(peer, node=inside.get((peer.node, peer.peer_interface), peer.node))
        for peer in node.neighbours
    )
    if not node.vrfs:
        yield dataclasses.replace(node, neighbours=neighbours)
        return
    vrf_of = {item.name: item.vrf for item in node.interfaces}
    numbers = {None: node.as_number} | {vrf.name: vrf.as_number for vrf in node.vrfs}
    for vrf, number in numbers.items():
        yield dataclasses.replace(
            node,
            name=name_in_vrf(node.name, vrf),
            interfaces=tuple(item for item in node.interfaces if item.vrf == vrf),
            neighbours=tuple(peer for peer in neighbours if vrf_of.get(peer.interface) == vrf),
            announced=tuple(
                item
                for item in node.announced
                if (item.vrf if item.interface is None else vrf_of.get(item.interface)) == vrf
            ),
            as_number=number,
            vrfs=(),
        )


def _wire(wire: WirePlan, inside: Mapping[tuple[str, str], str]) -> WirePlan:
    a, b = (
        WireEnd(inside.get((end.node, end.interface), end.node), end.interface)
        for end in (wire.a, wire.b)
    )
    return dataclasses.replace(wire, a=a, b=b)
