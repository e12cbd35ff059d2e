"""Names that every node knows, and the zone that a DNS host serves.

A node knows what it can reach, by the address by which it is reached from
there.  Pure functions of the nodes, their addresses and the realms.

"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import NamedTuple

from playground.model.addresses import Address
from playground.model.notation import bare
from playground.model.records import dataclass
from playground.model.services.dns import DNS
from playground.model.services.mail import SMTP, mail_domain
from playground.model.topology import Link, Machine, Node
from playground.planning.addresses.addressing import FAMILIES, Addressing
from playground.planning.addresses.nat_realms import Realm, Realms
from playground.planning.addresses.segments import Segment
from playground.planning.plan_parts import HostsEntry, RecordPlan

# MAXNS of resolv.conf(5): more are not asked.
NAMESERVERS_MAX = 3


class NodeNames(NamedTuple):
    """The names that one node knows: lines of /etc/hosts, whom it asks, and those it serves."""

    hosts: tuple[HostsEntry, ...]
    nameservers: tuple[Address, ...]
    records: tuple[RecordPlan, ...]


@dataclass(frozen=True, eq=False)
class _Seen:
    """A node as others see it: in which realm, and its lines of /etc/hosts."""

    realm: Realm
    entries: tuple[HostsEntry, ...]


@dataclass(frozen=True, eq=False)
class _Sight:
    """The view of all nodes that stand at the same place, and its lines.

    One object for all of them: in a lab of a thousand hosts, a thousand lines
    each would be a million.

    """

    seen: Mapping[Machine, _Seen]
    lines: tuple[HostsEntry, ...]


def find_names(
    machines: Sequence[Machine],
    realms: Realms,
    addressing: Addressing,
    hidden: Mapping[Machine, Collection[tuple[Link, int]]] = MappingProxyType({}),
) -> dict[Machine, NodeNames]:
    """Return what names every host and router knows.

    Each has a line for every node that it can reach, in the order declared,
    itself among them: by its address on a network they share, else in a realm
    they share, else further outside.  What lies inside another realm has no
    name.  Full name and short name stand on one line; a node with both families
    has two lines.  Nodes that know the same share one tuple of lines.

    Where a node can reach a host with the ``dns`` service, it asks that host,
    and its own lines are only those that this host cannot know: itself, and
    what lies with it behind a masquerading router.

    ``hidden`` are links of routers, each with a version of IP, to whose networks others have
    no way: who is not on them knows the router by another address.

    """
    horizon = _Horizon(machines, realms, addressing, hidden)
    found: dict[Machine, NodeNames] = {}
    servers = [machine for machine in machines if _dns(machine)]
    sights = {machine: horizon.sight(machine) for machine in machines}
    reaches = {machine: realms.reached_from(machine) for machine in machines}
    unserved: dict[tuple[_Sight, tuple[Realm, ...]], list[tuple[Machine, _Seen]]] = {}
    for machine in machines:
        sight = sights[machine]
        seen = sight.seen
        asked = _asked(machine, servers, seen, reaches)
        if asked:
            place = sight, reaches[asked[0]]
            if place not in unserved:
                served = set(place[1])
                unserved[place] = [item for item in seen.items() if item[1].realm not in served]
            others = (s for other, s in unserved[place] if other is not machine)
            hosts = (*_own(machine, seen), *(entry for s in others for entry in s.entries))
        elif machine in seen and seen[machine].entries:
            hosts = sight.lines
        else:
            hosts = (*_own(machine, seen), *sight.lines)
        found[machine] = NodeNames(
            hosts=hosts,
            nameservers=tuple(
                _first(seen[server]) for server in asked[:NAMESERVERS_MAX] if server in seen
            ),
            records=tuple(_zone(machine, seen)) if _dns(machine) else (),
        )
    return found


class _Horizon:
    """Who sees whom and how, found once for all who stand at the same place."""

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
        self._inside = {realm: dict(_view(realm, addressing, hidden)) for realm in realms.all}
        self._views: dict[tuple[Realm, ...], dict[Machine, _Seen]] = {}
        self._nearer: dict[tuple[Segment, tuple[Realm, ...]], list[tuple[Machine, _Seen]]] = {}
        self._sights: dict[object, _Sight] = {}
        self._on: dict[Segment, set[Node]] = {}
        for end, segment in realms.segment_of.items():
            self._on.setdefault(segment, set()).add(end.node)

    def sight(self, machine: Machine) -> _Sight:
        """Return what a node sees."""
        reach = self._realms.reached_from(machine)
        nearer = tuple(self._neighbours(machine, reach))
        place = reach, nearer
        if place not in self._sights:
            seen = self._view(reach) | dict(nearer)
            lines = tuple(entry for one in seen.values() for entry in one.entries)
            self._sights[place] = _Sight(seen, lines)
        return self._sights[place]

    def _view(self, reach: tuple[Realm, ...]) -> dict[Machine, _Seen]:
        if reach not in self._views:
            views = [self._inside[realm] for realm in reach]
            self._views[reach] = _merged(self._machines, views)
        return self._views[reach]

    def _neighbours(
        self, machine: Machine, reach: tuple[Realm, ...]
    ) -> Iterator[tuple[Machine, _Seen]]:
        """Yield the nodes on the same networks that are better seen by their address there."""
        passed: list[Segment] = []
        for link in machine.attachments:
            segment = self._realms.segment_of[link.end(machine)]
            for other, seen in self._better_seen(segment, reach):
                if other is not machine and not any(other in self._on[one] for one in passed):
                    yield other, seen
            passed.append(segment)

    def _better_seen(
        self, segment: Segment, reach: tuple[Realm, ...]
    ) -> list[tuple[Machine, _Seen]]:
        """Return whom the others on a segment see by another address than the rest do."""
        place = segment, reach
        if place not in self._nearer:
            found: dict[Machine, _Seen | None] = {}
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
                    found[other] = _Seen(realm, lines) if differs else None
            self._nearer[place] = [(other, seen) for other, seen in found.items() if seen]
        return self._nearer[place]


def _view(
    realm: Realm,
    addressing: Addressing,
    hidden: Mapping[Machine, Collection[tuple[Link, int]]],
) -> Iterator[tuple[Machine, _Seen]]:
    """Yield the nodes that stand in a realm, as they are seen from within it."""
    links: dict[Machine, list[Link]] = {}
    for segment in realm.segments:
        for link in segment.links:
            for end in link.ends:
                if isinstance(end.node, Machine):
                    links.setdefault(end.node, []).append(link)
    for machine, there in links.items():
        there.sort(key=lambda link: link.serial)
        entries = _lines(machine, there, addressing, hidden.get(machine, ()))
        yield machine, _Seen(realm, entries)


def _merged(
    machines: Iterable[Machine], views: Sequence[Mapping[Machine, _Seen]]
) -> dict[Machine, _Seen]:
    """Return several views as one, in the order declared; the first of them wins."""
    merged: dict[Machine, _Seen] = {}
    for view in reversed(views):
        merged.update(view)
    return {machine: merged[machine] for machine in machines if machine in merged}


def _lines(
    machine: Machine,
    links: Sequence[Link],
    addressing: Addressing,
    hidden: Collection[tuple[Link, int]] = (),
) -> tuple[HostsEntry, ...]:
    names = _called(machine)
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


def _own(machine: Machine, seen: Mapping[Machine, _Seen]) -> tuple[HostsEntry, ...]:
    """Return a node's lines for itself; as Debian has it where it has no address."""
    if machine in seen and seen[machine].entries:
        return seen[machine].entries
    return (HostsEntry(IPv4Address("127.0.1.1"), _called(machine)),)


def _called(machine: Machine) -> tuple[str, ...]:
    """Return the names of a node: the full one, the short one, and what else it is called."""
    return tuple(dict.fromkeys((machine.name, machine.short, *machine.container.aliases)))


# -- DNS --------------------------------------------------------------------


def _dns(machine: Machine) -> DNS | None:
    for settings in machine.declared_services:
        if isinstance(settings, DNS):
            return settings
    return None


def _asked(
    machine: Machine,
    servers: Sequence[Machine],
    seen: Mapping[Machine, _Seen],
    reaches: Mapping[Machine, Sequence[Realm]],
) -> list[Machine]:
    """Return the DNS hosts a node asks: the nearest, and those that know the same."""
    reach = list(reaches[machine])
    able = [server for server in servers if server in seen and seen[server].entries]
    if not able:
        return []
    if machine in able:
        nearest = machine
    else:
        nearest = min(able, key=lambda server: reach.index(seen[server].realm))
    same = [s for s in able if s is not nearest and reaches[s] == reaches[nearest]]
    return [nearest, *same]


def _first(seen: _Seen) -> Address:
    return seen.entries[0].address


def _zone(server: Machine, seen: Mapping[Machine, _Seen]) -> Iterator[RecordPlan]:
    """Yield the records that a DNS host serves: what it sees, by full and short name."""
    declared = _dns(server)
    explicit = [
        RecordPlan(str(name).rstrip("."), str(kind).upper(), str(data))
        for name, kind, data in (declared.records if declared else ()) or ()
    ]
    taken = {(record.name.lower(), record.type) for record in explicit}
    for record in _automatic(seen):
        if (record.name.lower(), record.type) not in taken:
            yield record
    yield from explicit


def _automatic(seen: Mapping[Machine, _Seen]) -> Iterator[RecordPlan]:
    for other in seen.values():
        for entry in other.entries:
            # RFC 1035 section 3.4.1, RFC 3596 section 2.1
            kind = "A" if entry.address.version == 4 else "AAAA"
            for name in entry.names:
                yield RecordPlan(name, kind, str(entry.address))
    for machine in seen:
        for settings in machine.declared_services:
            if isinstance(settings, SMTP):
                # RFC 5321 section 5.1: where mail for a domain goes.
                yield RecordPlan(mail_domain(settings, machine.name), "MX", f"10 {machine.name}")
