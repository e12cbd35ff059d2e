"""A packet's way from node to node, as it was seen, to where it stayed.  Pure.

`follow` writes down what each node did with the packet, and finds the fault where it stopped.

"""

# RFC 1812 (what routers do), RFC 3704 (reverse path).

from __future__ import annotations

import errno
from collections.abc import Sequence
from ipaddress import ip_address

from playground.operations.diagnosis.evidence.facts import (
    Facts,
    Way,
    address_at,
    first_look,
    hits_at,
    look_back,
    look_on,
    packet_of,
    sightings_at,
)
from playground.operations.diagnosis.evidence.packet_trace import Sighting
from playground.operations.diagnosis.faults.address_faults import link_local_only
from playground.operations.diagnosis.faults.advised_calls import endpoint, variable
from playground.operations.diagnosis.faults.filter_faults import filtered, said_forbidden
from playground.operations.diagnosis.faults.link_faults import lost_frame
from playground.operations.diagnosis.faults.route_faults import (
    forwards,
    no_route,
    no_way_on,
    not_forwarding,
    own_routes,
    routing_loop,
)
from playground.operations.diagnosis.faults.translator_faults import (
    stopped_translator,
    translates,
)
from playground.operations.diagnosis.faults.vrf_faults import looked_up_again, no_way_in_vrf
from playground.operations.diagnosis.faults.walk import Fault, Walk, unknown

# Of a packet that an interface of bare packets takes: `agent.watching.probes`.
NO_MAC = "00:00:00:00:00:00"


def follow(
    walk: Walk, role: str, node: str, path: list[str]
) -> tuple[str, Sighting | None, Fault | None]:
    """Go from node to node; return where it stayed, how it came there, and the fault."""
    came: Sighting | None = None
    for _ in range(256):
        left = _leaving(walk.facts, role, node, came)
        _note_rules(walk, role, node, after_route=False)
        if left is None:
            return node, came, _stays(walk, role, node, came)
        _note_passing(walk, role, node, came, left)
        arrived = _arriving(walk.facts, role, left)
        if arrived is None and _leads_out(walk.facts, left):
            if (fault := stopped_translator(walk, node, left.interface)) is not None:
                return node, came, fault
            if translates(walk.facts, node, left.interface):
                walk.translator = node
                walk.step(node, "translator", "takes it, to send it on as IPv4 (NAT64)")
            else:
                walk.step(node, "link", f"it leaves the lab by {left.interface}")
            walk.left_lab = True
            return node, came, None
        if arrived is None:
            return node, came, lost_frame(walk, left, None)
        node, came = arrived.place, arrived
        path.append(node)
    return node, came, routing_loop(walk, path)


def _leads_out(facts: Facts, left: Sighting) -> bool:
    """Tell whether an interface is none of the lab's links, as that of `Lab.uplink`."""
    state = facts.states[left.place].interface(left.interface)
    names = {left.interface, (state.below if state is not None else None) or left.interface}
    return not any(facts.wires.knows((left.place, name)) for name in names)


def _leaving(facts: Facts, role: str, node: str, came: Sighting | None) -> Sighting | None:
    seen = sightings_at(facts, role, node, "out")
    if came is not None:
        if came.interface == "lo":
            return None
        seen = [one for one in seen if _ttl(one) == _ttl(came) - 1]
    elif seen:
        most = max(map(_ttl, seen))
        seen = [one for one in seen if _ttl(one) == most]
    return _outermost(facts, seen)


def _arriving(facts: Facts, role: str, left: Sighting) -> Sighting | None:
    seen = [
        one
        for one in (facts.trail.probe if role == "probe" else facts.trail.answer)
        if one.way == "in" and one.place in facts.states and _ttl(one) == _ttl(left)
        if one.place != left.place or left.interface == "lo"
    ]
    first = [one for one in seen if one.place == seen[0].place]
    return _outermost(facts, first)


def _outermost(facts: Facts, seen: Sequence[Sighting]) -> Sighting | None:
    """Of sightings at one node, choose that at an interface with addresses (VLANs)."""
    for one in seen:
        state = facts.states[one.place].interface(one.interface)
        if state is not None and state.addresses:
            return one
    return seen[0] if seen else None


def _note_passing(walk: Walk, role: str, node: str, came: Sighting | None, left: Sighting) -> None:
    """Write down what a node did with a packet that it sent on."""
    packet = packet_of(left)
    way = _way(walk, role, node, came)
    back = " back" if role == "answer" else ""
    if left.interface == "lo":
        walk.step(node, f"route{back}", f"{packet.destination} is its own")
        return
    if way is not None and way.errno is None and way.interface == left.interface:
        label = f" with the label {packet.labels[0]}" if packet.labels else ""
        walk.step(node, f"route{back}", f"{packet.destination}: {way}{label}")
        hop = way.via or packet.destination
    else:
        hop = address_at(walk.facts, left.mac_destination) or packet.destination
        again = looked_up_again(walk.facts, node, way)
        walk.step(node, f"route{back}", f"{packet.destination}: {again}dev {left.interface}")
    _note_rules(walk, role, node, after_route=True)
    if came is not None:
        before = packet_of(came)
        for what, old, new in (
            ("source", before.flow[:2], packet.flow[:2]),
            ("destination", before.flow[2:], packet.flow[2:]),
        ):
            if old != new:
                walk.step(node, "nat", f"{what} {endpoint(*old)} becomes {endpoint(*new)}")
    walk.used[node, left.interface, hop] = None
    walk.hop = hop
    if left.mac_destination == NO_MAC:
        walk.step(node, "tunnel", f"{left.interface} takes it, to its other end")
    else:
        walk.step(node, "neighbour", f"{hop} is {left.mac_destination} at {left.interface}")


def _note_rules(walk: Walk, role: str, node: str, *, after_route: bool) -> None:
    """Write down which rules let it pass, before the node looked for a way or after."""
    for hit in hits_at(walk.facts, role, node):
        if hit.verdict == "accept" and (hit.hook == "postrouting") == after_route:
            walk.step(node, "rule", f"{hit.place}: {hit.rule}")


def _way(walk: Walk, role: str, node: str, came: Sighting | None) -> Way | None:
    facts = walk.facts
    if came is not None:
        return facts.ways.get(look_on(facts, role, came))
    if role == "probe" and facts.address is not None:
        return facts.ways.get(first_look(facts))
    if walk.last is not None:
        return facts.ways.get(look_back(walk.last))
    return None


def _stays(walk: Walk, role: str, node: str, came: Sighting | None) -> Fault | None:
    """Return why a packet did not leave a node; None if it was to stay there."""
    for hit in hits_at(walk.facts, role, node):
        if hit.verdict == "drop":
            return filtered(walk, role, node, hit)
    if came is not None and (came.interface == "lo" or _was_taken(walk.facts, role, node)):
        return None
    way = _way(walk, role, node, came)
    packet = packet_of(came) if came is not None else None
    if came is None or packet is None:
        return _not_sent(walk, role, node, way)
    if way is not None and way.errno is None and way.kind == "local":
        if (error := said_forbidden(walk.facts, role, node)) is not None:
            return error
        return None
    look = look_on(walk.facts, role, came)
    destination = look.destination
    if _is_reverse_path(walk.facts, node, way):
        home = walk.facts.ways.get(look_back(came))
        if home is not None and home.errno is None:
            walk.step(node, "reverse path", f"{packet.source}: {home}", False)
            return Fault(
                node,
                "reverse path filter",
                f"{node} drops what comes from {packet.source} by {came.interface}, because "
                f"its own way to {packet.source} leaves by {home.interface} (rp_filter).",
                f"Give {node} a route to {packet.source} by {came.interface}, or turn the "
                f'filter off: `{variable(node)}.sysctls["net.ipv4.conf.all.rp_filter"] = 0` '
                f'and `{variable(node)}.sysctls["net.ipv4.conf.{came.interface}.rp_filter"] '
                f"= 0`.",
            )
        return no_route(walk, node, packet.source, role, back=role == "probe")
    if ip_address(packet.source).is_link_local:
        # RFC 4291 section 2.5.6: routers do not pass such on.
        return link_local_only(walk, (walk.path if role == "probe" else walk.path_back)[0], packet)
    if not forwards(walk.facts, node, came.interface, packet.version):
        return not_forwarding(walk, node, came, packet)
    if packet.ttl <= 1:
        return routing_loop(walk, walk.path if role == "probe" else walk.path_back)
    # A route that prohibits says the same as a firewall that rejects.
    prohibits = own_routes(walk.facts, node, destination, "prohibit")
    if not prohibits and (error := said_forbidden(walk.facts, role, node)) is not None:
        return error
    if way is None:
        return unknown(walk, node, "came in and did not leave again")
    if (fault := no_way_in_vrf(walk, role, node, came.interface, destination, way)) is not None:
        return fault
    return no_way_on(walk, role, node, destination, way)


def _was_taken(facts: Facts, role: str, node: str) -> bool:
    """Tell whether what happened next shows that a packet stayed where it should."""
    if role == "probe":
        return bool(sightings_at(facts, "answer", node, "out"))
    return node == facts.question.source and facts.outcome.answered


def _not_sent(walk: Walk, role: str, node: str, way: Way | None) -> Fault:
    facts = walk.facts
    if role == "probe":
        destination = facts.address or ""
        if facts.outcome.errno in (errno.EPERM, errno.EACCES) and (
            way is None or way.errno is None
        ):
            return Fault(
                node,
                "firewall",
                f"{node} does not let its own packet out: a rule of its firewall drops it.",
                f"Look at `{variable(node)}.firewall.rules()` and "
                f'`{variable(node)}.run("nft list ruleset")`.',
            )
    else:
        destination = packet_of(walk.last).source if walk.last is not None else ""
    if way is None:
        return unknown(walk, node, "did not send anything")
    return no_way_on(walk, role, node, destination, way)


def _is_reverse_path(facts: Facts, node: str, way: Way | None) -> bool:
    moved = facts.counted.get(node, {}).get("IPReversePathFilter", 0)
    return bool(moved) or (way is not None and way.errno == errno.EXDEV)


def _ttl(one: Sighting) -> int:
    return packet_of(one).ttl
