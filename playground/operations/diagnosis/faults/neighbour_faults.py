"""Faults where a node asks who has an address on its link: ARP and ND.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from playground.operations.diagnosis.evidence.facts import (
    Facts,
    Way,
    aimed_at,
    owners_of,
    packet_of,
)
from playground.operations.diagnosis.evidence.packet_trace import Neighbourly
from playground.operations.diagnosis.faults.address_faults import duplicate_address, wrong_mask
from playground.operations.diagnosis.faults.advised_calls import variable
from playground.operations.diagnosis.faults.filter_faults import behind_nat
from playground.operations.diagnosis.faults.link_faults import (
    ARP_BYTES,
    broken_link,
    impaired_link,
    interface_fault,
    lost_frame,
)
from playground.operations.diagnosis.faults.overlay_faults import between_leaves, leaf_port
from playground.operations.diagnosis.faults.virtual_router_faults import no_master
from playground.operations.diagnosis.faults.walk import Fault, Walk, unknown


def silent_neighbour(walk: Walk, node: str, interface: str, hop: str, way: Way) -> Fault:
    """Return why a node cannot reach an address that should be on its link."""
    facts = walk.facts
    on_link = way.via is None
    segment = facts.wires.crossed((node, interface))
    owners = owners_of(facts, hop)
    near = [place for place in owners if place in segment and place[0] != node]
    known = next(
        (
            one
            for one in facts.states[node].neighbours
            if (one.interface, one.address) == (interface, hop)
        ),
        None,
    )
    if near and (fault := broken_link(walk, segment[near[0]], ARP_BYTES)) is not None:
        return fault
    if _had_no_route(facts, node):
        return Fault(
            node,
            "no route",
            f"{node} had no route to {aimed_at(facts)} when the packet came, and has one now: its "
            f"routes have just changed.",
            "Ask again; where routers speak a protocol, `lab.wait_converged()` waits for them.",
        )
    if known is not None and known.mac and known.state not in ("failed", "incomplete"):
        return unknown(walk, node, f"has a neighbour {hop} and did not send it anything")
    asked = [
        one
        for one in facts.trail.asked
        if isinstance(one.what, Neighbourly) and one.what.asks and one.what.address == hop
    ]
    sent = next((one for one in asked if (one.place, one.way) == (node, "out")), None)
    if near and known is None and sent is None:
        return unknown(walk, node, f"did not send it, nor ask who has {hop}")
    walk.step(node, "neighbour", f"nobody at {interface} says that {hop} is his", False)
    if not near:
        if (fault := no_master(walk, node, interface, hop, way)) is not None:
            return fault
        if (fault := _behind_another_leaf(walk, (node, interface), owners)) is not None:
            return fault
        if on_link and (fault := wrong_mask(facts, node, interface, hop)) is not None:
            return fault
        if not on_link:
            elsewhere = f": it is {owners[0][0]}'s, on another network" if owners else ""
            return Fault(
                node,
                "wrong gateway",
                f"{node} sends what is for {aimed_at(facts)} to the gateway {hop}, and nobody on "
                f"its link at {interface} has that address{elsewhere}.",
                f"Let the route lead to a router next to it: look at "
                f"`{variable(node)}.routes()` and at who is on the link.",
            )
        if facts.names.behind is not None:
            return behind_nat(facts, facts.names.expected or hop)
        elsewhere = f" ({owners[0][0]} has it, on another network)" if owners else ""
        return Fault(
            node,
            "neighbour silent",
            f"{node} takes {hop} to be on its link at {interface}, and nobody there has that "
            f"address{elsewhere}.",
            "Is the address right, and the machine that should have it there?",
        )
    owner, port = near[0]
    if (state := facts.states[owner].interface(port)) is not None and (
        fault := interface_fault(walk, owner, state)
    ) is not None:
        return fault
    refused = [
        one
        for one in (state.addresses if state is not None else ())
        if one.ip == hop and one.refused
    ]
    if refused:
        return duplicate_address(walk, owner, hop, owners_of(facts, hop))
    if sent is not None and not any(one.place == owner for one in asked):
        return lost_frame(walk, sent, near[0])
    replies = [
        one
        for one in facts.trail.asked
        if isinstance(one.what, Neighbourly)
        and not one.what.asks
        and one.what.address == hop
        and one.place == owner
    ]
    if replies:
        return lost_frame(walk, replies[0], (node, interface))
    back = facts.wires.crossed(near[0]).get((node, interface), ())
    if (fault := impaired_link(walk, back)) is not None:
        return fault
    return Fault(
        owner,
        "neighbour silent",
        f"{owner} has {hop}, and {node} asks for it and hears no answer.",
        f'Look at `{variable(owner)}.sysctls["net.ipv4.conf.all.arp_ignore"]` and at the arp '
        f'tables of nft: `{variable(owner)}.run("nft list ruleset")`.',
    )


def _behind_another_leaf(
    walk: Walk, place: tuple[str, str], owners: Sequence[tuple[str, str]]
) -> Fault | None:
    """Return why an address behind another leaf of the same VNI is not reached."""
    facts = walk.facts
    if between_leaves(Walk(facts), place, owners) is None:
        return None
    # Whether all is well from each of the two to its own leaf comes first.
    for end in (place, *owners):
        if (port := leaf_port(facts, end)) is None:
            continue
        state = facts.states[end[0]].interface(end[1])
        if state is not None and (fault := interface_fault(walk, end[0], state)) is not None:
            return fault
        if (fault := broken_link(walk, facts.wires.crossed(end)[port[0]], ARP_BYTES)) is not None:
            return fault
    return between_leaves(walk, place, owners)


def _had_no_route(facts: Facts, node: str) -> bool:
    """Tell whether a node said that it had no route when the packet came."""
    return any(
        packet_of(one).is_unreachable
        for one in facts.trail.errors
        if (one.place, one.way) == (node, "out")
    )
