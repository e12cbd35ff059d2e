"""Faults between two interfaces: cables, ports, switches, sizes.  Pure."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from itertools import pairwise

from playground.operations.diagnosis.evidence.facts import Facts, Large, interfaces_with, packet_of
from playground.operations.diagnosis.evidence.network_state import InterfaceState
from playground.operations.diagnosis.evidence.packet_trace import (
    Neighbourly,
    Packet,
    Sighting,
    Trail,
)
from playground.operations.diagnosis.faults.advised_calls import link_call, variable
from playground.operations.diagnosis.faults.bond_faults import dead_bond
from playground.operations.diagnosis.faults.overlay_faults import between_leaves
from playground.operations.diagnosis.faults.port_guard_faults import kept_by_guard
from playground.operations.diagnosis.faults.queue_faults import full_queue
from playground.operations.diagnosis.faults.translator_faults import stopped_translator
from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.planning.plan_parts import WireEnd, WirePlan

# Of an ARP request, in bytes.
ARP_BYTES = 28


def interface_fault(walk: Walk, node: str, interface: InterfaceState) -> Fault | None:
    """Return what is wrong with an interface that something should leave by."""
    if not interface.up:
        walk.step(node, "link", f"{interface.name} is down", False)
        wires = walk.facts.wires.crossed((node, interface.name))
        unplugged = next((w for w in wires.values() if w and not w[0][0].up), None)
        if unplugged is not None:
            return _unplugged(walk.facts, unplugged[0])
        return Fault(
            node,
            "interface down",
            f"{node}'s interface {interface.name} is set down, and its way leads through it.",
            f'Set it up: `{variable(node)}.run("ip link set {interface.name} up")`, and look '
            f"whether its routes are still there: `{variable(node)}.routes()`.",
        )
    if not interface.carrier and interface.name != "lo":
        if (fault := dead_bond(walk, node, interface.name)) is not None:
            return fault
        if (fault := stopped_translator(walk, node, interface.name)) is not None:
            return fault
        walk.step(node, "link", f"{interface.name} has no carrier", False)
        for crossed in walk.facts.wires.crossed((node, interface.name)).values():
            if crossed:
                return _unplugged(walk.facts, crossed[0])
        return Fault(
            node,
            "link down",
            f"{node}'s interface {interface.name} has no carrier: nothing is plugged in at "
            f"the other end.",
            "Plug something in at the other end.",
        )
    return None


def _unplugged(facts: Facts, step: tuple[WirePlan, WireEnd, WireEnd]) -> Fault:
    wire, here, there = step
    switches = facts.plan.switch_names
    if here.node in switches or there.node in switches or not wire.up:
        node = there if here.node in switches else here
        return Fault(
            node.node,
            "link down",
            f"The link between {here.node} and {there.node} is down: the cable is pulled out.",
            f"Plug it in again: `{link_call(facts, wire)}.up()`.",
        )
    return Fault(
        there.node,
        "interface down",
        f"{there.node}'s interface {there.interface}, at the other end of {here.node}'s "
        f"{here.interface}, is set down.",
        f'Set it up: `{variable(there.node)}.run("ip link set {there.interface} up")`.',
    )


def lost_frame(walk: Walk, left: Sighting, goal: tuple[str, str] | None) -> Fault:
    """Return what happened to a frame that left an interface and did not arrive."""
    facts = walk.facts
    start = (left.place, left.interface)
    state = facts.states[left.place].interface(left.interface)
    if state is not None and state.below and not facts.wires.knows(start):
        start = (left.place, state.below)
    segment = facts.wires.crossed(start)
    if goal is None:  # in a tunnel nobody has a MAC address, and there is but one other end
        goal = next((place for place, wires in segment.items() if _in_tunnel(wires)), None)
    if goal is None:
        owners = interfaces_with(facts, left.mac_destination)
        goal = next((place for place in owners if place in segment), None)
        if goal is None:
            if (fault := between_leaves(walk, start, owners)) is not None:
                return fault
            return _stale_neighbour(walk, left, owners[0] if owners else None)
    size = packet_of(left).size_bytes if isinstance(left.what, Packet) else ARP_BYTES
    wires = segment.get(goal, ())
    return (
        broken_link(walk, wires, size)
        or _lost_in_tunnel(walk, wires)
        or kept_by_guard(walk, left, wires)
        or _kept_by_switch(walk, left, goal, wires)
    )


def _in_tunnel(wires: Sequence[tuple[WirePlan, WireEnd, WireEnd]]) -> bool:
    return any(wire.tunnel for wire, _, _ in wires)


def _lost_in_tunnel(walk: Walk, wires: Sequence[tuple[WirePlan, WireEnd, WireEnd]]) -> Fault | None:
    """Return the fault of the network below a tunnel, by what was found of it in `Facts.below`."""
    if not _in_tunnel(wires):
        return None
    [(_, here, there)] = wires
    planned = walk.facts.plan.node(here.node).interfaces
    tunnel = next((item.tunnel for item in planned if item.name == here.interface), None)
    assert tunnel is not None
    found = f"{here.interface} to {there.node}: nothing came out"
    walk.step(here.node, "tunnel", found, False)
    lost = (
        f"What {here.node} sends into its tunnel {here.interface} to {there.node} does not come "
        f"out there."
    )
    below = walk.facts.below
    if below is not None and not below.ok and below.cause != "no answer":
        walk.steps += below.steps
        sentence = f"{lost} Below it, {below.sentence[:1].lower()}{below.sentence[1:]}"
        return Fault(below.node, below.cause, sentence, below.advice)
    look = "wg show" if tunnel.kind == "wireguard" else "ip -d link show"
    command, other = f"{look} {here.interface}", f"{look} {there.interface}"
    return Fault(
        here.node,
        "tunnel",
        f"{lost} The network below leads from one end to the other, so the two ends do not agree, "
        f"or something on the way drops packets of this kind ({tunnel.kind}).",
        f'Compare both ends: `{variable(here.node)}.run("{command}")` and '
        f'`{variable(there.node)}.run("{other}")`.',
    )


def broken_link(
    walk: Walk, wires: Sequence[tuple[WirePlan, WireEnd, WireEnd]], size: int
) -> Fault | None:
    """Return what is wrong with the links from one interface to another, in that direction.

    ``size`` is that of the packet, in bytes.

    """
    facts = walk.facts
    for step in wires:
        if not step[0].up:
            return _unplugged(facts, step)
    if (fault := impaired_link(walk, wires)) is not None:
        return fault
    for wire, here, there in wires:
        ends = []
        for end in (here, there):
            if end.node in facts.states:
                interface = facts.states[end.node].interface(end.interface)
                if interface is None:
                    continue
                ends.append((end.node, end.interface, interface.mtu_bytes))
                if (fault := interface_fault(walk, end.node, interface)) is not None:
                    return fault
            elif (port := facts.ports.get((end.node, end.interface))) is not None:
                fault = _closed_port(walk, wire, here, there, end, port)
                if fault is not None:
                    return fault
        small = next(((name, mtu) for name, _, mtu in ends if mtu < size), None)
        if small is not None:
            walk.step(small[0], "mtu", f"{small[1]} bytes, of which {size} came", False)
            return Fault(
                small[0],
                "mtu",
                f"{small[0]} takes no frame of more than {small[1]} bytes on its link, and "
                f"this one has {size}: both ends of a link must have the same MTU.",
                "Give both ends the same MTU: "
                + " and ".join(
                    f'`{variable(name)}.run("ip link set {port} mtu {size}")`'
                    for name, port, mtu in ends
                    if mtu < size
                )
                + ".",
            )
    return None


def impaired_link(walk: Walk, wires: Sequence[tuple[WirePlan, WireEnd, WireEnd]]) -> Fault | None:
    """Return the fault of a link that was told to lose frames, or whose queue drops them.

    What a link loses is lost before it leaves, and nobody sees it.

    """
    for wire, here, there in wires:
        toward = wire.toward_b if there is wire.b else wire.toward_a
        if toward is not None and toward.loss_percent:
            walk.step(here.node, "link", f"loses {toward.loss_percent:g} %", False)
            return Fault(
                here.node,
                "loss",
                f"The link between {here.node} and {there.node} was told to lose "
                f"{toward.loss_percent:g} % of the frames toward {there.node}.",
                f"Take that away: `{link_call(walk.facts, wire)}.restore()`, or try again.",
            )
    return full_queue(walk, wires)


def _closed_port(
    walk: Walk,
    wire: WirePlan,
    here: WireEnd,
    there: WireEnd,
    end: WireEnd,
    port: tuple[str, bool],
) -> Fault | None:
    state, carrier = port
    if not carrier and (fault := dead_bond(walk, end.node, end.interface)) is not None:
        return fault
    node = there.node if end is here else here.node
    if not carrier:
        walk.step(end.node, "port", f"{end.interface} has no carrier", False)
        return Fault(
            node,
            "link down",
            f"{node} is not plugged in at {end.node}: the link between {node} and {end.node} "
            f"is down.",
            f"Plug it in again: `{link_call(walk.facts, wire)}.up()`.",
        )
    if state != "forwarding":
        walk.step(end.node, "port", f"{end.interface} is {state}", False)
        return Fault(
            end.node,
            "switch",
            f"The switch {end.node} does not pass frames on at its port to {node}: it is {state}.",
            f"Look at `{variable(end.node)}.ports()`; a spanning tree may still be forming, or "
            f"keep the port closed for good, where there is another way.",
        )
    return None


def _kept_by_switch(
    walk: Walk,
    left: Sighting,
    goal: tuple[str, str],
    wires: Sequence[tuple[WirePlan, WireEnd, WireEnd]],
) -> Fault:
    """Return which switch kept a frame, as far as it was seen."""
    wanted = left.what
    seen = {
        (one.interface, one.way)
        for one in walk.facts.sightings
        if one.place == "" and same_frame(one.what, wanted)
    }
    for (_, _, entered), (_, leaves, _) in pairwise(wires):
        went_in = any(interface == entered.interface for interface, way in seen if way != "out")
        went_out = (leaves.interface, "out") in seen
        if went_in and not went_out:
            walk.step(entered.node, "switch", f"does not pass it on at {leaves.interface}", False)
            return Fault(
                entered.node,
                "switch",
                f"The frame came into the switch {entered.node} and did not leave it towards "
                f"{goal[0]}.",
                f"Look at `{variable(entered.node)}.table()`, at its ports "
                f"(`{variable(entered.node)}.ports()`), and at their VLANs.",
            )
    return Fault(
        left.place,
        "unknown",
        f"The frame left {left.place} by {left.interface} and did not come to {goal[0]}.",
        f"Capture on both ends: `{variable(left.place)}.capture()` and "
        f"`{variable(goal[0])}.capture()`.",
    )


def _stale_neighbour(walk: Walk, left: Sighting, goal: tuple[str, str] | None) -> Fault:
    whose = f"that is {goal[0]}'s, elsewhere" if goal else "nobody has that"
    walk.step(left.place, "neighbour", f"{left.mac_destination}: {whose}", False)
    return Fault(
        left.place,
        "stale neighbour",
        f"{left.place} sends to the MAC address {left.mac_destination} at {left.interface}, "
        f"and {whose}: what it remembers of its neighbour is wrong.",
        f'Let it forget: `{variable(left.place)}.run("ip neigh flush all")`.',
    )


def black_hole(walk: Walk) -> Fault | None:
    """Return the fault of a way on which large packets are lost without a word."""
    for large in walk.facts.large:
        fault = _lost_when_large(walk, large)
        if fault is not None:
            return fault
    return None


def _lost_when_large(walk: Walk, large: Large) -> Fault | None:
    trail = Trail(large.sightings, large.marks)
    path = walk.path if large.role == "probe" else walk.path_back
    goal = path[-1]
    arrived = any(one.place == goal and one.way == "in" for one in trail.probe)
    errors = [one for one in trail.errors if packet_of(one).is_too_big]
    back = " back" if large.role == "answer" else ""
    if large.errno == errno.EMSGSIZE:
        walk.step(large.sender, f"mtu{back}", "it knows that the way takes less")
        return None
    if arrived:
        walk.step(large.sender, f"mtu{back}", f"{large.size_bytes} bytes arrive")
        return None
    dropped = next(
        (hit for hit in large.hits if hit.verdict == "drop" and hit.packet.is_too_big),
        None,
    )
    if any(one.place == large.sender and one.way == "in" for one in errors) and dropped is None:
        told = packet_of(errors[0]).next_mtu_bytes
        walk.step(large.sender, f"mtu{back}", f"it is told that the way takes {told} bytes")
        return None
    passed = [one for one in trail.probe if one.place in walk.facts.states]
    if not errors and dropped is None and passed and passed[-1].way == "out":
        fault = lost_frame(walk, passed[-1], None)
        if fault.cause == "mtu":
            return fault
    narrow = errors[0].place if errors else None
    narrow = narrow or (dropped.node if dropped else passed[-1].place if passed else large.sender)
    node = dropped.node if dropped else narrow
    walk.step(node, f"mtu{back}", f"{large.size_bytes} bytes are lost", False)
    why = (
        f"{dropped.node} drops what would tell so (`{dropped.rule}` in {dropped.place})"
        if dropped
        else 'nobody tells the sender (ICMP "fragmentation needed" does not come back)'
    )
    return Fault(
        node,
        "mtu",
        f"Small packets pass, and those of {large.size_bytes} bytes from {large.sender} are "
        f"lost at {narrow}, whose next link takes less; {why}: an MTU black hole.",
        f'Let ICMP errors pass: `{variable(node)}.firewall.accept(protocol="icmp")`, or give '
        "all links the same MTU.",
    )


def same_frame(one: Packet | Neighbourly, other: Packet | Neighbourly) -> bool:
    """Tell whether two sightings are of one frame."""
    if isinstance(one, Neighbourly) or isinstance(other, Neighbourly):
        return one == other
    return (one.flow, one.sequence, one.ttl) == (other.flow, other.sequence, other.ttl)
