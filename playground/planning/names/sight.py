"""Who sees whom in a lab, and by which address: the view from each node.

A node knows what it can reach, by the address by which it is reached from
there.  Pure functions of the nodes, their addresses and the realms.

"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from playground.model.addresses import Network
from playground.model.notation import bare
from playground.model.parts import End
from playground.model.records import dataclass
from playground.model.topology import Link, Machine, Node, Router
from playground.planning.addresses.addressing import FAMILIES, Addressing
from playground.planning.addresses.nat_realms import Realm, Realms
from playground.planning.addresses.router_parts import own_links
from playground.planning.addresses.segments import Segment
from playground.planning.plan_parts import HostsEntry


@dataclass(frozen=True, eq=False)
class SeenNode:
    """A node as others see it: in which realm, and its lines of /etc/hosts."""

    realm: Realm
    entries: tuple[HostsEntry, ...]


@dataclass(frozen=True, eq=False)
class Sight:
    """The view of all nodes that stand at the same place, and its lines.

    One object for all of them: in a lab of a thousand hosts, a thousand lines
    each would be a million.

    """

    seen: Mapping[Machine, SeenNode]
    lines: tuple[HostsEntry, ...]


class Horizon:
    """Who sees whom and how, found once for all who stand at the same place.

    ``hidden`` are links of routers, each with a version of IP, to whose networks others have
    no way: who is not on them knows the router by another address.

    """

    def __init__(
        self,
        machines: Sequence[Machine],
        realms: Realms,
        addressing: Addressing,
        hidden: Mapping[Machine, Collection[tuple[Link, int]]],
    ) -> None:
        self._machines = machines
        self._realms = realms
        self._addressing = addressing
        self._inside = {
            realm: dict(_view(realm, addressing, hidden, realms.segment_of)) for realm in realms.all
        }
        self._views: dict[tuple[Realm, ...], dict[Machine, SeenNode]] = {}
        self._nearer: dict[tuple[Segment, tuple[Realm, ...]], list[tuple[Machine, SeenNode]]] = {}
        self._sights: dict[object, Sight] = {}
        self._leaks = dict(_leaks(machines, realms))
        self._on: dict[Segment, set[Node]] = {}
        for end, segment in realms.segment_of.items():
            self._on.setdefault(segment, set()).add(end.node)

    def sight(self, machine: Machine) -> Sight:
        """Return what a node sees."""
        reach = self._realms.reached_from(machine)
        nearer = tuple(self._neighbours(machine, reach))
        place = reach, nearer
        if place not in self._sights:
            seen = self._view(reach) | dict(nearer)
            lines = tuple(entry for one in seen.values() for entry in one.entries)
            self._sights[place] = Sight(seen, lines)
        return self._sights[place]

    def _view(self, reach: tuple[Realm, ...]) -> dict[Machine, SeenNode]:
        if reach not in self._views:
            views = [self._inside[realm] for realm in reach]
            views += [self._leaked(realm) for realm in reach if realm in self._leaks]
            self._views[reach] = _merged(self._machines, views)
        return self._views[reach]

    def _leaked(self, realm: Realm) -> dict[Machine, SeenNode]:
        """Return the nodes whose addresses a router lets a realm reach in another of its VRFs."""
        return {
            machine: seen
            for network, source in self._leaks[realm]
            for machine, seen in self._inside[source].items()
            if all(entry.address in network for entry in seen.entries)
        }

    def _neighbours(
        self, machine: Machine, reach: tuple[Realm, ...]
    ) -> Iterator[tuple[Machine, SeenNode]]:
        """Yield the nodes on the same networks that are better seen by their address there."""
        passed: list[Segment] = []
        for link in machine.attachments:
            if (end := link.end(machine)) not in self._realms.segment_of:
                continue  # a port of a bridge
            segment = self._realms.segment_of[end]
            for other, seen in self._better_seen(segment, reach):
                if other is not machine and not any(other in self._on[one] for one in passed):
                    yield other, seen
            passed.append(segment)

    def _better_seen(
        self, segment: Segment, reach: tuple[Realm, ...]
    ) -> list[tuple[Machine, SeenNode]]:
        """Return whom the others on a segment see by another address than the rest do."""
        place = segment, reach
        if place not in self._nearer:
            found: dict[Machine, SeenNode | None] = {}
            view = self._view(reach)
            for end in segment.ends:
                other = end.node
                # Most have but one link, by which the view sees them already.
                if not isinstance(other, Machine) or other in found:
                    continue
                links = other.attachments
                if len(links) > 1:
                    there = [item for item in links if item.end(other) is end]
                    lines = _lines(other, [*there, *links], self._addressing)
                    differs = lines != view[other].entries
                    realm = self._realms.of_segment[segment]
                    found[other] = SeenNode(realm, lines) if differs else None
            self._nearer[place] = [(other, seen) for other, seen in found.items() if seen]
        return self._nearer[place]


def _leaks(
    machines: Iterable[Machine], realms: Realms
) -> Iterator[tuple[Realm, list[tuple[Network, Realm]]]]:
    """Yield the realms into which VRFs leak, with the networks and whose they are."""
    found: dict[Realm, list[tuple[Network, Realm]]] = {}
    for machine in machines:
        for leak in machine.leaks if isinstance(machine, Router) else ():
            into, source = (
                dict.fromkeys(
                    realms.of_link(link, machine)
                    for link in (own_links(machine) if vrf is None else machine.vrfs[vrf].links)
                )
                for vrf in (leak.into, leak.source)
            )
            for realm in into:
                found.setdefault(realm, []).extend((leak.network, one) for one in source)
    yield from found.items()


def _view(
    realm: Realm,
    addressing: Addressing,
    hidden: Mapping[Machine, Collection[tuple[Link, int]]],
    ends: Collection[End],
) -> Iterator[tuple[Machine, SeenNode]]:
    """Yield the nodes that stand in a realm, as they are seen from within it."""
    links: dict[Machine, list[Link]] = {}
    for segment in realm.segments:
        for link in segment.links:
            for end in link.ends:
                if isinstance(end.node, Machine) and end in ends:
                    links.setdefault(end.node, []).append(link)
    for machine, there in links.items():
        there.sort(key=lambda link: link.serial)
        entries = _lines(machine, there, addressing, hidden.get(machine, ()))
        yield machine, SeenNode(realm, entries)


def _merged(
    machines: Iterable[Machine], views: Sequence[Mapping[Machine, SeenNode]]
) -> dict[Machine, SeenNode]:
    """Return several views as one, in the order declared; the first of them wins."""
    merged: dict[Machine, SeenNode] = {}
    for view in reversed(views):
        merged.update(view)
    return {machine: merged[machine] for machine in machines if machine in merged}


def _lines(
    machine: Machine,
    links: Sequence[Link],
    addressing: Addressing,
    hidden: Collection[tuple[Link, int]] = (),
) -> tuple[HostsEntry, ...]:
    names = called(machine)
    lines = []
    for family in FAMILIES:
        seen = [link for link in links if (link, family) not in hidden]
        found = [item for link in seen for item in addressing.of(link.end(machine), family)[:1]]
        if not found and links:
            found = [item for item in machine.loopback if item.version == family]
        for link in links:
            found += addressing.of(link.end(machine), family)[:1]
        if found:
            lines.append(HostsEntry(bare(found[0]), names))
    return tuple(lines)


def called(machine: Machine) -> tuple[str, ...]:
    """Return the names of a node: the full one, the short one, and what else it is called."""
    return tuple(dict.fromkeys((machine.name, machine.short, *machine.container.aliases)))
