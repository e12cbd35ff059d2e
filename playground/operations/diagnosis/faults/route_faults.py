"""Faults of the way that a node chose: routes, gateways, forwarding, loops.  Pure."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Sequence
from ipaddress import ip_address

from playground.operations.diagnosis.evidence.facts import Facts, Way, owners_of, planned_route
from playground.operations.diagnosis.evidence.packet_trace import Packet, Sighting
from playground.operations.diagnosis.faults.address_faults import (
    duplicate_address,
    how_to_address,
    unadvertised,
    wrong_mask,
)
from playground.operations.diagnosis.faults.adjacency_faults import unheard
from playground.operations.diagnosis.faults.advised_calls import route_call, variable
from playground.operations.diagnosis.faults.link_faults import interface_fault
from playground.operations.diagnosis.faults.neighbour_faults import silent_neighbour
from playground.operations.diagnosis.faults.walk import Fault, Walk


def no_way_on(walk: Walk, role: str, node: str, destination: str, way: Way) -> Fault:
    """Return why a node whose kernel has chosen a way, or none, sent nothing on."""
    back = " back" if role == "answer" else ""
    forbids = {
        errno.EINVAL: "blackhole",
        errno.EACCES: "prohibit",
        errno.EHOSTUNREACH: "unreachable",
    }
    kind = forbids.get(way.errno or 0) or (
        way.kind if way.kind in ("blackhole", "prohibit", "unreachable") else None
    )
    if kind is not None and (own := own_routes(walk.facts, node, destination, kind)):
        article = "an" if kind == "unreachable" else "a"
        six = " -6" if ":" in destination else ""
        walk.step(node, f"route{back}", f"{destination}: {kind}", False)
        return Fault(
            node,
            "forbidden route",
            f"{node} has {article} {kind} route for {destination}: it throws such packets away.",
            f"Look at `{variable(node)}.routes()`, and take it away: "
            f'`{variable(node)}.run("ip{six} route del {kind} {own[0]}")`.',
        )
    if way.errno is not None:
        return no_route(walk, node, destination, role)
    walk.step(node, f"route{back}", f"{destination}: {way}")
    hop = way.via or destination
    interface = walk.facts.states[node].interface(way.interface)
    if interface is not None and (fault := interface_fault(walk, node, interface)) is not None:
        return fault
    walk.used[node, way.interface or "", hop] = None
    return silent_neighbour(walk, node, way.interface or "", hop, way)


def own_routes(facts: Facts, node: str, destination: str, kind: str) -> list[str]:
    """Return the destinations of the routes of a kind that take a packet, narrowest first."""
    found = [
        route.destination
        for route in facts.states[node].routes
        if route.kind == kind and ip_address(destination) in route.destination
    ]
    return [str(one) for one in sorted(found, key=lambda one: -one.prefixlen)]


def no_route(walk: Walk, node: str, destination: str, role: str, back: bool = False) -> Fault:
    """Return the fault of a node without a route, by what its addresses and links explain."""
    facts = walk.facts
    back = back or role == "answer"
    word = " back" if back else ""
    walk.step(node, f"route{word}", f"no way to {destination}", False)
    state = facts.states[node]
    version = 6 if ":" in destination else 4
    planned = planned_route(facts, node, destination)
    links = [one for one in state.interfaces if one.name != "lo"]
    for interface in links:
        if planned is not None and interface.name != planned[1]:
            continue
        if not interface.up and (fault := interface_fault(walk, node, interface)) is not None:
            return fault
    if (fault := wrong_mask(facts, node, None, destination)) is not None:
        return fault
    owned = [
        one
        for interface in links
        for one in interface.addresses
        if ip_address(one.ip).version == version and not ip_address(one.ip).is_link_local
    ]
    refused = [one.ip for one in owned if one.refused]
    if refused and len(refused) == len(owned):
        return duplicate_address(walk, node, refused[0], owners_of(facts, refused[0]))
    if (fault := unadvertised(facts, node, version, bool(owned))) is not None:
        return fault
    if not owned:
        return Fault(
            node,
            "no address",
            f"{node} has no IPv{version} address on any of its interfaces, and so no way to "
            f"{destination}.",
            how_to_address(facts, node, version),
        )
    said = f"{node} has no route {'back ' if back else ''}to {destination}."
    if planned is None and (found := unheard(facts, node, destination, said)) is not None:
        step, fault = found
        walk.step(*dataclasses.astuple(step))
        return fault
    way = ""
    if planned is not None:
        via = f"via {planned[0]} " if planned[0] else ""
        way = f" The lab had given it one: {via}dev {planned[1]}."
    give = route_call(facts, node, destination, planned)
    if back:
        return Fault(
            node,
            "no route back",
            f"The packet came to {node}, and its answer goes nowhere: {node} has no route "
            f"back to {destination}.{way}",
            f"Give it one: {give}.",
        )
    return Fault(
        node,
        "no route",
        f"{node} has no route to {destination}.{way}",
        f"Look at `{variable(node)}.routes()`, and give it one, to there or a default route: "
        f"{give}.",
    )


def forwards(facts: Facts, node: str, interface: str, version: int) -> bool:
    """Tell whether a node passes on what comes in by an interface."""
    state = facts.states[node].interface(interface)
    all_ = facts.states[node].sysctls
    if version == 6:
        return all_.get("net.ipv6.conf.all.forwarding") != "0"
    return state is None or state.settings.get("ipv4.forwarding") != "0"


def not_forwarding(walk: Walk, node: str, came: Sighting, packet: Packet) -> Fault:
    """Return the fault of a node that got what was for others and forwards nothing."""
    plan = walk.facts.plan.node(node)
    setting = "net.ipv4.ip_forward" if packet.version == 4 else "net.ipv6.conf.all.forwarding"
    walk.step(node, "forwarding", f"{setting} is off", False)
    if plan.kind == "router":
        return Fault(
            node,
            "forwarding off",
            f"{node} got the packet for {packet.destination} and does not pass it on: "
            f"forwarding is off ({setting} = 0).",
            f'Turn it on: `{variable(node)}.sysctls["{setting}"] = 1`.',
        )
    before = _before(walk, node)
    if walk.hop and not any(name == node for name, _ in owners_of(walk.facts, walk.hop)):
        return Fault(
            before,
            "stale neighbour",
            f"{before} takes {walk.hop} to be at {came.mac_destination}, which is {node}'s: "
            f"what it remembers of its neighbour is wrong.",
            f'Let it forget: `{variable(before)}.run("ip neigh flush all")`.',
        )
    return Fault(
        before,
        "wrong gateway",
        f"{before} sends what is for {packet.destination} to {node}, which is a host and "
        f"forwards nothing.",
        f"Let the route of {before} lead to a router: look at `{variable(before)}.routes()`.",
    )


def _before(walk: Walk, node: str) -> str:
    path = walk.path_back or walk.path
    return path[-2] if len(path) > 1 and path[-1] == node else path[-1]


def routing_loop(walk: Walk, path: Sequence[str]) -> Fault:
    """Return the fault of nodes that each take another for the way."""
    ring = list(dict.fromkeys(path[-4:]))
    node = ring[-1]
    walk.step(node, "time to live", "is over", False)
    return Fault(
        node,
        "routing loop",
        f"The packet goes round between {' and '.join(ring)} until its time to live is over: "
        f"each takes another for the way.",
        "Look at the routes: "
        + " and ".join(f"`{variable(name)}.routes()`" for name in ring)
        + "; a traceroute shows the ring.",
    )
