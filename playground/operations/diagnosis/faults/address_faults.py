"""Faults of the addresses of nodes: none, the same twice, a wrong mask.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_interface

from playground.operations.diagnosis.evidence.facts import (
    Facts,
    owners_of,
    packet_of,
    planned_route,
)
from playground.operations.diagnosis.evidence.packet_trace import Packet
from playground.operations.diagnosis.faults.advised_calls import readdress_call, variable
from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.operations.diagnosis.ipv6.autoconfiguration import unconfigured


def duplicate_address(
    walk: Walk, node: str, address: str, owners: Sequence[tuple[str, str]]
) -> Fault:
    """Return the fault of an address that several interfaces of one network have."""
    planned = [
        (name, port)
        for name, port in owners
        if any(
            str(one.ip) == address
            for item in walk.facts.plan.node(name).interfaces
            for one in item.addresses
        )
    ]
    wrong = next((place for place in owners if place not in planned), owners[-1])
    names = " and ".join(dict.fromkeys(name for name, _ in (*planned, *owners)))
    walk.step(wrong[0], "address", f"{address} is also that of others ({names})", False)
    length = _prefix_length(walk.facts, wrong, address)
    return Fault(
        wrong[0],
        "duplicate address",
        f"{address} is the address of more than one machine on the same network, {names}: "
        f"packets for it go to whoever answered last.",
        f'Give {wrong[0]} another address: `{variable(wrong[0])}.run("ip address del '
        f'{address}/{length} dev {wrong[1]}")` takes this one away.',
    )


def _prefix_length(facts: Facts, place: tuple[str, str], address: str) -> str:
    """Return the prefix length of an address that an interface has."""
    state = facts.states[place[0]].interface(place[1])
    found = (one.address for one in (state.addresses if state else ()) if one.ip == address)
    return next(found, address).partition("/")[2] or ("128" if ":" in address else "32")


def doubled(walk: Walk, fault: Fault | None) -> Fault | None:
    """Return the fault of an address on the way that two machines have."""
    if fault is not None and fault.cause in ("name unknown", "NAT", "firewall"):
        return None
    facts = walk.facts
    wanted = dict(walk.used)
    for one in (*facts.trail.probe[:1], *facts.trail.answer[:1]):
        if one.place in facts.states and one.way == "out":
            wanted[one.place, one.interface, packet_of(one).source] = None
    for node, interface, address in wanted:
        segment = facts.wires.crossed((node, interface))
        owners = [place for place in owners_of(facts, address) if place in segment]
        if len({name for name, _ in owners}) > 1:
            return duplicate_address(walk, node, address, owners)
    return None


def wrong_mask(facts: Facts, node: str, interface: str | None, destination: str) -> Fault | None:
    """Return the fault of an address whose network is not that of its neighbours.

    With ``interface`` the node took the destination to be on its link, and it is not;
    without, the other way round: it, or the gateway to it, is on the link.

    """
    target = ip_address(destination)
    planned = planned_route(facts, node, destination)
    for one in facts.states[node].interfaces:
        if interface is not None and one.name != interface:
            continue
        peers = _peers(facts, node, one.name)
        networks = [
            found
            for text in peers
            if (found := ip_interface(text).network).version == target.version
        ]
        usual = max(set(networks), key=networks.count, default=None)
        if usual is None or usual.prefixlen == usual.max_prefixlen:
            continue
        for state in one.addresses:
            own = ip_interface(state.address)
            if own.version != usual.version or own.network == usual or state.peer:
                continue
            # A DHCPv6 server gives one address and no network (RFC 8415 section 21.6).
            if own.is_link_local or (own.version == 6 and own.network.prefixlen == 128):
                continue
            gateway = ip_address(planned[0]) if planned and planned[0] else target
            if interface is None:
                wrong = any(
                    where in usual and where not in own.network for where in (target, gateway)
                )
            else:
                wrong = target in own.network and target not in usual
            if not wrong:
                continue
            if own.ip in usual:
                return Fault(
                    node,
                    "wrong mask",
                    f"{node} has the address {own} on {one.name}, and its neighbours are on "
                    f"{usual}: with its mask /{own.network.prefixlen} {node} takes "
                    + (
                        f"{destination} to be on its own link, where nobody has it."
                        if interface is not None
                        else f"{gateway} to be elsewhere."
                    ),
                    "Give it the mask of the others: "
                    + readdress_call(node, one.name, own, f"{own.ip}/{usual.prefixlen}"),
                )
            return Fault(
                node,
                "wrong address",
                f"{node} has the address {own} on {one.name}, and its neighbours there are "
                f"on {usual}: it is in another network than they.",
                f"Give it a free address of {usual}"
                + (
                    ": " + readdress_call(node, one.name, own, free)
                    if (free := _planned_in(facts, node, one.name, usual))
                    else "."
                ),
            )
    return None


def _planned_in(facts: Facts, node: str, interface: str, network: object) -> str | None:
    for one in facts.plan.node(node).interfaces:
        for address in one.addresses:
            if one.name == interface and address.network == network:
                return str(address)
    return None


def _peers(facts: Facts, node: str, interface: str) -> list[str]:
    """Return the addresses that others have on the same link, with their masks."""
    found = []
    for other, name in facts.wires.crossed((node, interface)):
        state = facts.states.get(other)
        there = state.interface(name) if state is not None and other != node else None
        if there is not None:
            found += [
                one.address
                for one in there.addresses
                if not one.peer and not ip_address(one.ip).is_link_local
            ]
    return found


def link_local_only(walk: Walk, node: str, packet: Packet) -> Fault:
    """Return the fault of a node that has an address for its own link only."""
    for interface in walk.facts.states[node].interfaces:
        for one in interface.addresses:
            if one.refused:
                return duplicate_address(walk, node, one.ip, owners_of(walk.facts, one.ip))
    if (fault := unadvertised(walk.facts, node, packet.version)) is not None:
        return fault
    return Fault(
        node,
        "no address",
        f"{node} sends from {packet.source}, which means something on its own link only: it "
        f"has no other IPv{packet.version} address.",
        how_to_address(walk.facts, node, packet.version),
    )


def unadvertised(facts: Facts, node: str, version: int, has_address: bool = False) -> Fault | None:
    """Return the fault of a node that waits for a router's word and has not got it."""
    for interface in facts.plan.node(node).interfaces if version == 6 else ():
        state = facts.states[node].interface(interface.name)
        settings = state.settings if state is not None else {}
        for one in interface.addresses if interface.slaac and not has_address else ():
            others = owners_of(facts, str(one.ip))
            if one.version == 6 and others:
                return Fault(
                    node,
                    "duplicate address",
                    f"{node} makes the address {one.ip} on {interface.name}, and does not take it, "
                    f"for {others[0][0]} has it already (duplicate address detection, RFC 4862).",
                    f"Give {others[0][0]} another address, or {node} another MAC address.",
                )
        found = unconfigured(facts.plan, node, interface, settings, has_address, variable)
        if found is not None:
            return Fault(node, *found)
    return None


def how_to_address(facts: Facts, node: str, version: int) -> str:
    """Return how a node without an address comes to one."""
    plan = facts.plan
    look = f'Look at `{variable(node)}.run("ip address")`'
    for interface in plan.node(node).interfaces:
        planned = [one for one in interface.addresses if one.version == version]
        if version == 4 and interface.dhcp:
            servers = [
                one.name
                for one in plan.nodes
                if any(settings.service == "dhcp" for settings in one.services)
            ]
            starts = " and ".join(
                f'`{variable(name)}.services["dhcp"].start()`' for name in servers[:1]
            )
            return (
                f"{look}: its lease has run out or was taken back. Let its DHCP server answer: "
                f"{starts}; the host goes on asking."
            )
        if planned:
            return (
                f"{look}, and give it the planned one: "
                f'`{variable(node)}.run("ip address add {planned[0]} dev {interface.name}")`.'
            )
    if version == 6:
        return f"{look}; declare IPv6 with `Lab(..., ipv6=True)`, or give the link a subnet."
    return f"{look}; link it, or give its link an IPv{version} subnet."
