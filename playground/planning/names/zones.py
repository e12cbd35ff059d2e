"""The tree of zones: what each has of the lab's names, who serves it, what is below it.

A pure function of the declarations and of what each primary server sees.  RFC 1034
section 4.2 has the words: a zone, its cuts, delegation, glue.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from playground.errors import TopologyError
from playground.model.records import dataclass
from playground.model.services.dns import DNS
from playground.model.services.dns_records import lies_in
from playground.model.services.mail import SMTP, mail_domain
from playground.model.services.resolver import Resolver
from playground.model.topology import Machine
from playground.planning.names.sight import SeenNode
from playground.planning.plan_parts import RecordPlan, ZonePlan

_ADDRESSES = ("A", "AAAA")


@dataclass
class _Zone:
    """A zone while it is put together: who declared that it serves it."""

    name: str
    primaries: list[tuple[Machine, DNS]] = field(default_factory=list)
    secondaries: list[tuple[Machine, DNS]] = field(default_factory=list)

    @property
    def servers(self) -> tuple[str, ...]:
        """The names in its NS records; several hosts may share one."""
        both = (*self.primaries, *self.secondaries)
        return tuple(dict.fromkeys(said.server or machine.name.lower() for machine, said in both))


def find_zones(
    machines: Sequence[Machine],
    seen_by: Callable[[Machine], Mapping[Machine, SeenNode]],
    previous: Sequence[ZonePlan] = (),
) -> tuple[ZonePlan, ...]:
    """Return the zones that the hosts of a lab serve, those above before those below.

    Each name goes into the deepest zone that it lies in.  A zone is as its first primary
    server sees the lab.  One that is in ``previous``, and has changed, gets the next serial.

    Raises `TopologyError` for a secondary without a primary, a server without an address, and a
    resolver where there is no root.

    """
    zones = _declared(machines)
    _check_resolvers(machines, zones)
    before = {zone.name: zone for zone in previous}
    found = []
    for zone in zones.values():
        planned = _planned(zone, zones, seen_by(zone.primaries[0][0]))
        old = before.get(zone.name)
        if old is not None:
            planned = dataclasses.replace(planned, serial=old.serial)
            if planned != old:
                planned = dataclasses.replace(planned, serial=old.serial + 1)
        found.append(planned)
    _check_addresses(found, zones)
    return tuple(found)


def _declared(machines: Iterable[Machine]) -> dict[str, _Zone]:
    zones: dict[str, _Zone] = {}
    for machine in machines:
        for said in machine.declared_services:
            if isinstance(said, DNS):
                for name in said.zones:
                    zones.setdefault(name, _Zone(name)).primaries.append((machine, said))
                for name in said.secondaries:
                    zones.setdefault(name, _Zone(name)).secondaries.append((machine, said))
    for zone in zones.values():
        if not zone.primaries:
            raise TopologyError(
                f"{zone.secondaries[0][0].name} fetches the zone {zone.name} from its primary "
                f'server, and the lab has none: give some host DNS(zone="{zone.name}")'
            )
    return dict(sorted(zones.items(), key=lambda item: (_depth(item[0]), item[0])))


def _check_resolvers(machines: Iterable[Machine], zones: Mapping[str, _Zone]) -> None:
    if "." in zones:
        return
    for machine in machines:
        if any(isinstance(said, Resolver) for said in machine.declared_services):
            raise TopologyError(
                f"{machine.name} has a Resolver, which begins at the root of all names, and no "
                'host of the lab serves that: give one DNS(zone=".")'
            )


def _depth(zone: str) -> int:
    return len(zone.rstrip(".").split(".")) if zone != "." else 0


def deepest(name: str, zones: Iterable[str]) -> str | None:
    """Return the deepest of some zones that a name lies in, None if it lies in none.

    >>> deepest("www.example.com", [".", "com.", "example.com.", "ample.com."])
    'example.com.'

    """
    return max((zone for zone in zones if lies_in(name, zone)), key=len, default=None)


def _parent(zone: str, zones: Iterable[str]) -> str | None:
    return deepest(zone, (other for other in zones if other != zone))


def _planned(zone: _Zone, zones: Mapping[str, _Zone], seen: Mapping[Machine, SeenNode]) -> ZonePlan:
    signed = _is_signed(zone)
    below = [other for other in zones.values() if _parent(other.name, zones) == zone.name]
    explicit = [
        RecordPlan(owner, kind, data)
        for _, said in zone.primaries
        for owner, kind, data in said.records
        if said.zone_of(owner) == zone.name
    ]
    _refuse_hidden(zone, below, explicit)
    taken = {(record.name, record.type) for record in explicit}
    aliases = {record.name for record in explicit if record.type == "CNAME"}
    own = (
        record
        for record in _own_records(zone, zones, seen)
        if (record.name, record.type) not in taken and record.name not in aliases
    )
    delegations = (
        record
        for other in below
        for record in _delegation(other, seen)
        if (record.name, record.type) not in taken
    )
    settings = zone.primaries[0][1]
    return ZonePlan(
        name=zone.name,
        primaries=tuple(machine.name for machine, _ in zone.primaries),
        secondaries=tuple(machine.name for machine, _ in zone.secondaries),
        servers=zone.servers,
        records=tuple(dict.fromkeys((*own, *explicit, *delegations))),
        ttl_s=settings.ttl_s,
        signed=signed,
        signed_below=tuple(other.name for other in below if signed and _is_signed(other)),
        parent=_parent(zone.name, zones),
        transfer=any(said.transfer for _, said in zone.primaries),
    )


def _is_signed(zone: _Zone) -> bool:
    return any(said.dnssec for _, said in zone.primaries)


def _own_records(
    zone: _Zone, zones: Iterable[str], seen: Mapping[Machine, SeenNode]
) -> Iterator[RecordPlan]:
    """Yield the addresses of hosts, the names of addresses, and mail, as far as they lie here."""
    for record in _automatic(seen):
        if deepest(record.name, zones) == zone.name:
            yield record


def _automatic(seen: Mapping[Machine, SeenNode]) -> Iterator[RecordPlan]:
    for other, one in seen.items():
        name = other.name.lower()
        for entry in one.entries:
            yield RecordPlan(name, _kind(entry.address.version), str(entry.address))
            yield RecordPlan(entry.address.reverse_pointer, "PTR", name)
        for settings in other.declared_services:
            if isinstance(settings, SMTP):
                # RFC 5321 section 5.1
                yield RecordPlan(mail_domain(settings, other.name).lower(), "MX", f"10 {name}")


def _kind(version: int) -> str:
    # RFC 1035 section 3.4.1, RFC 3596 section 2.1
    return "A" if version == 4 else "AAAA"


def _delegation(below: _Zone, seen: Mapping[Machine, SeenNode]) -> Iterator[RecordPlan]:
    """Yield what a zone has of one below: its servers, and glue for those whose names lie there."""
    owner = below.name.rstrip(".")
    for server in below.servers:
        yield RecordPlan(owner, "NS", server)
    for server in below.servers:
        if lies_in(server, below.name):
            yield from _addresses_of(server, below, seen)


def _addresses_of(
    server: str, zone: _Zone, seen: Mapping[Machine, SeenNode]
) -> Iterator[RecordPlan]:
    """Yield a name server's addresses: said by records of its zone, else its hosts' own."""
    said = [
        RecordPlan(owner, kind, data)
        for _, settings in zone.primaries
        for owner, kind, data in settings.records
        if owner == server and kind in _ADDRESSES
    ]
    if said:
        yield from said
        return
    for machine, settings in (*zone.primaries, *zone.secondaries):
        if (settings.server or machine.name.lower()) == server and machine in seen:
            for entry in seen[machine].entries:
                yield RecordPlan(server, _kind(entry.address.version), str(entry.address))


def _refuse_hidden(zone: _Zone, below: Iterable[_Zone], explicit: Iterable[RecordPlan]) -> None:
    """Refuse records of a zone that nobody would find: those below a cut (RFC 1034 4.2.1)."""
    for record in explicit:
        cut = deepest(record.name, (other.name for other in below))
        if cut is None or record.type in _ADDRESSES:
            continue
        if record.name == cut.rstrip(".") and record.type in ("NS", "DS"):
            continue
        raise TopologyError(
            f"the record {record.name} {record.type} of the zone {zone.name} lies in {cut}, a zone "
            "of its own, where nobody would look for it here; give it to that zone's server"
        )


def _check_addresses(planned: Iterable[ZonePlan], zones: Mapping[str, _Zone]) -> None:
    """Refuse a server whose name has no address anywhere in the tree."""
    planned = list(planned)
    known = {
        record.name for zone in planned for record in zone.records if record.type in _ADDRESSES
    }
    for zone in planned:
        for server in zone.servers:
            if server not in known and deepest(server, zones) is not None:
                raise TopologyError(
                    f"the zone {zone.name} is served by {server}, a name without an address; link "
                    "that host to the others, or give the name a record of type A"
                )
            if server not in known:
                raise TopologyError(
                    f"the zone {zone.name} is served by {server}, a name that lies in no zone of "
                    'the lab; give some host DNS(zone=".")'
                )
