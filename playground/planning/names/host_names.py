"""Names that every node knows, and the zone that a DNS host serves.

A node knows what it can reach, by the address by which it is reached from
there.  Pure functions of the nodes, their addresses and the realms.

"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from typing import NamedTuple

from playground.errors import TopologyError
from playground.model.addresses import Address
from playground.model.services.dns import DNS
from playground.model.services.mail import SMTP, mail_domain
from playground.model.services.resolver import Resolver
from playground.model.topology import Machine
from playground.planning.addresses.nat_realms import Realm, Realms
from playground.planning.names.sight import Horizon, SeenNode, Sight, called
from playground.planning.plan_parts import HostsEntry, RecordPlan, ZonePlan

# MAXNS of resolv.conf(5): more are not asked.
NAMESERVERS_MAX = 3


class NodeNames(NamedTuple):
    """The names that one node knows: lines of /etc/hosts, whom it asks, and those it serves.

    ``peers`` are the nodes whose addresses its services need.

    """

    hosts: tuple[HostsEntry, ...]
    nameservers: tuple[Address, ...]
    records: tuple[RecordPlan, ...]
    peers: tuple[HostsEntry, ...] = ()


def find_names(
    machines: Sequence[Machine], realms: Realms, horizon: Horizon, zones: Sequence[ZonePlan] = ()
) -> dict[Machine, NodeNames]:
    """Return what names every host and router knows.

    Each has a line for every node that it can reach, in the order declared,
    itself among them: by its address on a network they share, else in a realm
    they share, else further outside.  What lies inside another realm has no
    name.  Full name and short name stand on one line; a node with both families
    has two lines.  Nodes that know the same share one tuple of lines.

    Where a node can reach a host with the ``dns`` service, it asks that host,
    and its own lines are only those that this host cannot know: itself, and
    what lies with it behind a masquerading router.  Where it asks a resolver, they are
    those that stand in no zone of the lab, and short names, which no tree has.

    """
    found: dict[Machine, NodeNames] = {}
    published = _Published(zones)
    servers = [machine for machine in machines if _dns(machine) or _resolves(machine)]
    sights = {machine: horizon.sight(machine) for machine in machines}
    reaches = {machine: realms.reached_from(machine) for machine in machines}
    unserved: dict[tuple[Sight, tuple[Realm, ...]], list[tuple[Machine, SeenNode]]] = {}
    for machine in machines:
        sight = sights[machine]
        seen = sight.seen
        asked = _asked(machine, servers, seen, reaches)
        if asked and _resolves(asked[0]):
            hosts = (*_own(machine, seen), *published.left_out(sight, machine))
        elif asked:
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
            peers=tuple(_peers(machine, seen)),
        )
    return found


class _Published:
    """The names that zones of the lab have, and what they leave to /etc/hosts."""

    def __init__(self, zones: Sequence[ZonePlan]) -> None:
        self._known = {
            (record.name, record.data)
            for zone in zones
            for record in zone.records
            if record.type in ("A", "AAAA")
        }
        self._left_out: dict[Sight, list[tuple[Machine, HostsEntry]]] = {}

    def left_out(self, sight: Sight, machine: Machine) -> Iterator[HostsEntry]:
        """Yield the lines that a node needs of others, although it asks a resolver."""
        if sight not in self._left_out:
            self._left_out[sight] = list(self._lines(sight))
        yield from (entry for other, entry in self._left_out[sight] if other is not machine)

    def _lines(self, sight: Sight) -> Iterator[tuple[Machine, HostsEntry]]:
        for other, seen in sight.seen.items():
            for entry in seen.entries:
                if (other.name.lower(), str(entry.address)) not in self._known:
                    yield other, entry
                elif entry.names[1:]:
                    yield other, HostsEntry(entry.address, entry.names[1:])


def _peers(machine: Machine, seen: Mapping[Machine, SeenNode]) -> Iterator[HostsEntry]:
    wanted = dict.fromkeys(
        (settings.service, name)
        for settings in machine.declared_services
        for name in settings.peers
    )
    if not wanted:
        return
    known = {name: item for other, item in seen.items() for name in called(other)}
    for service, name in wanted:
        if name not in known or not known[name].entries:
            raise TopologyError(
                f"{machine.name}: its service {service!r} needs {name}, which it cannot reach in "
                "this lab; link the two, or name another host"
            )
        yield HostsEntry(known[name].entries[0].address, (name,))


def _own(machine: Machine, seen: Mapping[Machine, SeenNode]) -> tuple[HostsEntry, ...]:
    """Return a node's lines for itself; as Debian has it where it has no address."""
    if machine in seen and seen[machine].entries:
        return seen[machine].entries
    return (HostsEntry(IPv4Address("127.0.1.1"), called(machine)),)


# -- DNS --------------------------------------------------------------------


def _dns(machine: Machine) -> DNS | None:
    for settings in machine.declared_services:
        if isinstance(settings, DNS) and settings.service == "dns":
            return settings
    return None


def _resolves(machine: Machine) -> bool:
    return any(isinstance(settings, Resolver) for settings in machine.declared_services)


def _asked(
    machine: Machine,
    servers: Sequence[Machine],
    seen: Mapping[Machine, SeenNode],
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


def _first(seen: SeenNode) -> Address:
    return seen.entries[0].address


def _zone(server: Machine, seen: Mapping[Machine, SeenNode]) -> Iterator[RecordPlan]:
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


def _automatic(seen: Mapping[Machine, SeenNode]) -> Iterator[RecordPlan]:
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
