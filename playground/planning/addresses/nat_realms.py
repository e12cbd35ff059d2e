"""NAT divides a lab into realms: who shares an address space with whom.

Within a realm every address means one interface, and every prefix can be
routed to.  A masquerading router stands between two: the realm that its uplink
leads to (outer), and the one of its other links (inner), whose addresses mean
nothing outside (RFC 2663 section 2.9).  IPv6 is not translated, so its
addresses are unique in the whole lab; yet what may begin a connection to whom
is the same in both families, and so are the realms.

"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

from playground.errors import TopologyError
from playground.model.addresses import InterfaceAddress, Network
from playground.model.nat import Forward, OneToOne
from playground.model.parts import End, LinkBase
from playground.model.records import dataclass
from playground.model.topology import Host, Link, Machine, Node, Router
from playground.planning.addresses.addressing import Addressing
from playground.planning.addresses.router_parts import (
    RouterPart,
    end_of,
    own_links,
    parts_of,
    with_parts,
)
from playground.planning.addresses.segments import Segment
from playground.planning.addresses.tolerated_faults import Doubts

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Realm:
    """Segments that share one address space.

    ``exits`` are the masquerading routers whose inside this realm is, in the
    order declared.

    """

    segments: tuple[Segment, ...]
    exits: tuple[Router, ...]


class Realms(NamedTuple):
    """The realms of a lab, and which leads out to which.

    ``of_segment`` finds a segment's realm, ``segment_of`` an end's segment,
    ``reach`` for each realm itself and those outside it, nearest first.

    """

    all: tuple[Realm, ...]
    of_segment: Mapping[Segment, Realm]
    segment_of: Mapping[End, Segment]
    reach: Mapping[Realm, tuple[Realm, ...]]

    def of_link(self, link: LinkBase, node: Machine) -> Realm:
        """Return the realm that a node's link leads to."""
        return self.of_segment[self.segment_of[link.end(node)]]

    def of_node(self, node: Machine) -> tuple[Realm, ...]:
        """Return the realms a node stands in: inside before outside."""
        uplinks = node.uplinks if isinstance(node, Router) else ()
        links = [link for link in own_links(node) if link not in uplinks] + list(uplinks)
        links += [link for vrf in parts_of(node) for link in vrf.attachments]
        return tuple(dict.fromkeys(self.of_link(link, node) for link in links))

    def reached_from(self, node: Machine) -> tuple[Realm, ...]:
        """Return the realms whose addresses a node can use: its own, then outer ones."""
        own = self.of_node(node)
        outer = [realm for one in own for realm in self.reach[one]]
        return tuple(dict.fromkeys((*own, *outer)))


def inner_links(router: Router | RouterPart) -> tuple[Link, ...]:
    """Return the links of a router, or in one of its VRFs, between which it forwards both ways.

    >>> inner_links(modem)
    (Link(home, modem),)

    """
    uplinks = router.uplinks
    return tuple(link for link in own_links(router) if link not in uplinks)


def find_realms(segments: Sequence[Segment]) -> Realms:
    """Cut the lab at its masquerading routers.

    Raises `TopologyError` where a masquerading router has its own inside on
    its uplink's side as well (by a way round it), or realms lie inside each
    other in a ring.

    """
    segment_of = {end: segment for segment in segments for end in segment.ends}
    routers = _routers(segments)
    joined: dict[Segment, list[Segment]] = {}
    for part in with_parts(routers):
        inside = [segment_of[end_of(link, part)] for link in inner_links(part)]
        for one, other in pairwise(inside):
            joined.setdefault(one, []).append(other)
            joined.setdefault(other, []).append(one)
    exits: dict[Segment, list[Router]] = {}
    for router in routers:
        if router.uplinks:
            for link in inner_links(router):
                exits.setdefault(segment_of[link.end(router)], []).append(router)
    of_segment: dict[Segment, Realm] = {}
    realms: list[Realm] = []
    place = {segment: number for number, segment in enumerate(segments)}
    for segment in segments:
        if segment in of_segment:
            continue
        members = tuple(sorted(_reached(segment, joined), key=place.__getitem__))
        found = {router for member in members for router in exits.get(member, ())}
        realm = Realm(members, tuple(sorted(found, key=lambda router: router.serial)))
        realms.append(realm)
        of_segment.update(dict.fromkeys(members, realm))
    outward: dict[Realm, list[Realm]] = {}
    for realm in realms:
        for router in realm.exits:
            for uplink in router.uplinks:
                outer = of_segment[segment_of[uplink.end(router)]]
                if outer is realm:
                    raise TopologyError(_way_round(router, uplink))
                outward.setdefault(realm, []).append(outer)
    _refuse_rings(outward)
    reach = {realm: tuple(_reached(realm, outward)) for realm in realms}
    return Realms(tuple(realms), of_segment, segment_of, reach)


def _routers(segments: Iterable[Segment]) -> list[Router]:
    found = {
        end.node: None
        for segment in segments
        for end in segment.ends
        if isinstance(end.node, Router)
    }
    return sorted(found, key=lambda router: router.serial)


def _way_round(router: Router, link: LinkBase) -> str:
    return (
        f"router {router.name} masquerades through {link!r}, yet what lies behind it has another "
        f"way there, past {router.name}, by routers that do not masquerade; let each router "
        f"between inside and outside masquerade, or none"
    )


def _reached(start: T, ways: Mapping[T, Sequence[T]]) -> dict[T, None]:
    """Return all that can be reached, nearest first: a breadth-first search.

    Written out here and in `_refuse_rings`, since to import networkx takes
    longer than all else that is done before a small lab's first packet.

    """
    found = {start: None}
    queue = [start]
    for one in queue:
        for other in ways.get(one, ()):
            if other not in found:
                found[other] = None
                queue.append(other)
    return found


def _refuse_rings(outward: Mapping[Realm, Sequence[Realm]]) -> None:
    for realm in outward:
        ring = _ring(realm, outward)
        if ring:
            names = ", ".join(dict.fromkeys(one.exits[0].name for one in ring))
            raise TopologyError(
                f"the masquerading routers {names} stand in a ring, each inside another's inside; "
                f"turn one of them round, so that there is an outermost network"
            )


def _ring(start: Realm, outward: Mapping[Realm, Sequence[Realm]]) -> list[Realm]:
    """Return the realms on a shortest way from one back to itself; none if there is none."""
    before: dict[Realm, Realm] = {}
    queue = [start]
    for one in queue:
        for other in outward.get(one, ()):
            if other is start:
                way = [one]
                while way[-1] is not start:
                    way.append(before[way[-1]])
                return way[::-1]
            if other not in before:
                before[other] = one
                queue.append(other)
    return []


# -- what must hold within a realm ------------------------------------------


def check_realms(realms: Realms, addressing: Addressing, doubts: Doubts | None = None) -> None:
    """Say, or without ``doubts`` raise, where an address or a prefix would mean two things.

    Within a realm, and between a realm and those outside it, subnets do not
    overlap and no address has two owners; in IPv6, in all realms that NAT joins.  A router
    is in the realms on both its sides, so they may not overlap either.  Two
    realms of which neither leads out to the other may use the same addresses.

    """
    doubts = doubts or Doubts()
    ranges = {realm: _checked_ranges(realm.segments, addressing, 4, doubts) for realm in realms.all}
    for together in _joined(realms):
        everything = [segment for realm in together for segment in realm.segments]
        _checked_ranges(everything, addressing, 6, doubts)
    for realm in realms.all:
        for outer in realms.reach[realm][1:]:
            _doubt_shadow(realm, ranges[realm], ranges[outer], doubts)
    for end in realms.segment_of:
        if isinstance(end.node, Host):
            _check_own_ranges(end, realms, addressing, doubts)


def _joined(realms: Realms) -> Iterable[Sequence[Realm]]:
    """Return the realms that lead to each other by masquerading routers, together."""
    groups: dict[Realm, list[Realm]] = {realm: [realm] for realm in realms.all}
    for realm in realms.all:
        for outer in realms.reach[realm][1:]:
            one, other = groups[realm], groups[outer]
            if one is not other:
                one += other
                groups.update(dict.fromkeys(other, one))
    return {id(group): group for group in groups.values()}.values()


class _Range(NamedTuple):
    """The range in use on a segment: first and last address as numbers."""

    first: int
    last: int
    segment: Segment
    owner: Node | None  # of a point-to-point address
    network: Network | InterfaceAddress


def _checked_ranges(
    segments: Iterable[Segment], addressing: Addressing, family: int, doubts: Doubts
) -> list[_Range]:
    """Return the ranges of these segments, outermost only, after checking them."""
    ranges: list[_Range] = []
    for segment in segments:
        if not addressing.speaks(segment, family):
            continue
        subnet = addressing.subnets[segment, family]
        if subnet is not None:
            first, last = int(subnet.network_address), int(subnet.broadcast_address)
            ranges.append(_Range(first, last, segment, None, subnet))
            continue
        for end in segment.ends:
            for address in addressing.of(end, family):
                number = int(address)
                ranges.append(_Range(number, number, segment, end.node, address))
    ranges.sort(key=lambda r: (r.first, -r.last))
    outermost: list[_Range] = []
    for item in ranges:
        if outermost and item.first <= outermost[-1].last:
            _check_overlap(outermost[-1], item, addressing, family, doubts)
        else:
            outermost.append(item)
    return outermost


def _check_overlap(
    outer: _Range, item: _Range, addressing: Addressing, family: int, doubts: Doubts
) -> None:
    if item.owner is None:
        doubts.say(
            f"{item.segment.name} and {outer.segment.name} can reach each other, and their subnets "
            f"{item.network} and {outer.network} overlap; choose another for one of them"
        )
        return
    if outer.owner is not None:
        if outer.owner is not item.owner:
            doubts.say(
                f"{item.owner.name} and {outer.owner.name} both have the address "
                f"{str(item.network).partition('/')[0]}; choose another for one of them"
            )
        return
    # One node may use an address of its own on a point-to-point link as well.
    for end in outer.segment.ends:
        if end.node is item.owner and item.first in map(int, addressing.of(end, family)):
            return
    doubts.say(
        f"{item.owner.name} has the point-to-point address {item.network}, which lies in the "
        f"subnet {outer.network} of {outer.segment.name}, where the others would look for it in "
        f"vain; choose one outside that subnet"
    )


def _doubt_shadow(
    realm: Realm, inner: Sequence[_Range], outer: Sequence[_Range], doubts: Doubts
) -> None:
    """Doubt an inside that hides part of the outside behind the same addresses."""
    starts = [item.first for item in outer]
    for item in inner:
        for other in outer[max(bisect_right(starts, item.first) - 1, 0) :]:
            if other.first > item.last:
                break
            if other.last < item.first:
                continue
            doubts.say(
                f"{item.segment.name} ({item.network}) lies behind {realm.exits[0].name}, outside "
                f"of which {other.segment.name} ({other.network}) has the same addresses, so that "
                f"it could not be reached; choose another subnet for one of them"
            )


def _check_own_ranges(end: End, realms: Realms, addressing: Addressing, doubts: Doubts) -> None:
    """Doubt a host whose links lead to different networks of the same addresses."""
    segment = realms.segment_of[end]
    subnet = addressing.subnets.get((segment, 4))
    for link in end.node.attachments if isinstance(end.node, Host) else ():
        other = realms.segment_of[link.end(end.node)]
        other_subnet = addressing.subnets.get((other, 4))
        if other is segment or subnet is None or other_subnet is None:
            continue
        if subnet.overlaps(other_subnet):
            doubts.say(
                f"{end.node.name} is linked to {segment.name} and to {other.name}, whose subnets "
                f"{subnet} and {other_subnet} overlap; choose another for one of them"
            )


def check_forwards(realms: Realms, addressing: Addressing) -> None:
    """Raise `TopologyError` for a port forward that cannot work.

    Its router must masquerade through the link, and the host must be in the
    realm behind that router, with an IPv4 address there.

    """
    routers = {r: None for realm in realms.all for r in _routers(realm.segments)}
    for router in routers:
        inward: list[Forward | OneToOne] = [*router.forwards, *router.pairs]
        for forward in inward:
            what = f"port {forward.words}" if isinstance(forward, Forward) else str(forward.address)
            here = f"router {router.name}: {what} is forwarded to {forward.host.name}"
            if forward.link not in router.uplinks:
                raise TopologyError(
                    f"{here} from a link through which the router does not masquerade; "
                    f"call {router.name}.masquerade(...) for that link too"
                )
            if forward_target(router, forward, realms, addressing) is None:
                raise TopologyError(
                    f"{here}, which is not behind that router; forward to a host that is, or "
                    f"link {forward.host.name} to its inside"
                )


def forward_target(
    router: Router, forward: Forward | OneToOne, realms: Realms, addressing: Addressing
) -> InterfaceAddress | None:
    """Return the forward's host's IPv4 address behind the router, None if it has none."""
    inside = {realms.of_link(link, router) for link in inner_links(router)}
    for link in forward.host.attachments:
        end = link.end(forward.host)
        segment = realms.segment_of.get(end)
        if segment is None or realms.of_segment[segment] not in inside:
            continue
        for item in addressing.of(end, 4):
            return item
    return None
