"""Faults of routers with VRFs: a packet's way is in another table than that it comes to.  Pure."""

from __future__ import annotations

import errno
from ipaddress import ip_address

from playground.operations.diagnosis.evidence.facts import Facts, Way
from playground.operations.diagnosis.faults.advised_calls import variable
from playground.operations.diagnosis.faults.walk import Fault, Walk


def looked_up_again(facts: Facts, node: str, way: Way | None) -> str:
    """Return words for a way that leads to another VRF of its node; "" for all others."""
    vrfs = {vrf.name for vrf in facts.plan.node(node).vrfs}
    if way is None or way.errno is not None or way.interface not in vrfs:
        return ""
    return f"{way}, looked up again in the VRF {way.interface}: "


def no_way_in_vrf(
    walk: Walk, role: str, node: str, interface: str, destination: str, way: Way
) -> Fault | None:
    """Return why a packet that came in by an interface of a VRF went no further.

    None where it came in by another interface, or its VRF has a way.

    """
    plan = walk.facts.plan.node(node)
    vrf = next((item.vrf for item in plan.interfaces if item.name == interface), None)
    unreachable = way.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH) or way.kind == "unreachable"
    if vrf is None or not unreachable:
        return None
    back = " back" if role == "answer" else ""
    walk.step(node, f"route{back}", f"no way to {destination} in the VRF {vrf}", False)
    known = _tables_with_a_way(walk.facts, node, destination)
    said = f"The packet came to {node} by {interface}, which is in the VRF {vrf}, and that VRF has "
    said += f"no route{back} to {destination}."
    who = variable(node)
    if not known:
        return Fault(
            node,
            f"no route{back}",
            said,
            f"Look at `{who}.routes(vrf={_said(vrf)})`; put the link that leads there into the "
            f"VRF, or give it a route: `{who}.route(..., vrf={_said(vrf)})`.",
        )
    other, network = known
    if other is None:
        return Fault(
            node,
            f"no route{back}",
            f"{said}  The main table of {node} has one, which is for others.",
            f"Put the link that leads there into the VRF {vrf}, or the link of {interface} into "
            f"none.",
        )
    return Fault(
        node,
        f"no route{back}",
        f"{said}  The VRF {other} has one, which is for others.",
        f"Let it through where that is meant, and the answers too: "
        f'`{who}.leak("{network}", source={_said(other)}, into={_said(vrf)})`.',
    )


def kept_apart(source: str, target: str, router: str, own: str | None, its: str | None) -> Fault:
    """Return why a node was told of no name of another: VRFs of a router stand between."""
    mine, theirs = (f"the VRF {name}" if name else "the main table" for name in (own, its))
    calls = " and ".join(
        f"`{variable(router)}.leak(..., source={_said(there)}, into={_said(here)})`"
        for there, here in ((its, own), (own, its))
        if there is not None
    )
    return Fault(
        source,
        "no route",
        f"{router} keeps {source} and {target} apart: {source} is behind links of {mine}, "
        f"{target} behind links of {theirs}; so {source} was told of no name {target}.",
        f"Let each reach the other's range of addresses, if that is meant: {calls}.",
    )


def _said(vrf: str | None) -> str:
    return "None" if vrf is None else f'"{vrf}"'


def _tables_with_a_way(
    facts: Facts, node: str, destination: str
) -> tuple[str | None, object] | None:
    """Return a VRF, None for the main table, that has a route to an address, and to which range."""
    names = {str(vrf.table): vrf.name for vrf in facts.plan.node(node).vrfs} | {"main": None}
    found = [
        (route.destination.prefixlen, names[route.table], route.destination)
        for route in facts.states[node].routes
        if route.kind == "unicast"
        and route.table in names
        and ip_address(destination) in route.destination
    ]
    best = max(found, key=lambda one: one[0], default=None)
    return None if best is None else (best[1], best[2])
