"""Zones of a plan as name servers and resolvers read them: RFC 1035 section 5, zone files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from playground.model.services.dns_records import SOA, question, zone_line
from playground.model.services.settings import Probe, ServedZone
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import ZonePlan

# How long a secondary waits, and tries again, and a name may be said not to be: RFC 1912
# section 2.2, shorter by far, as nobody looks at a lab for weeks.
_REFRESH_S, _RETRY_S, _EXPIRE_S, _NEGATIVE_S = 60, 5, 86400, 60

# A zone's keys: the files that sign it, by name, and the data of DS records that prove them.
ZoneKeys = Callable[[str], tuple[Mapping[str, str], Sequence[str]]]


def zone_text(zone: ZonePlan, ds_records: Mapping[str, Sequence[str]]) -> str:
    """Return the file of a zone; ``ds_records`` has the data of those of each zone below."""
    first = zone.servers[0]
    contact = "hostmaster." if zone.name == "." else f"hostmaster.{zone.name}"
    times = f"{zone.serial} {_REFRESH_S} {_RETRY_S} {_EXPIRE_S} {min(zone.ttl_s, _NEGATIVE_S)}"
    owner = zone.name.rstrip(".") or "."
    lines = [
        "; Names are whole, with or without the last dot.",
        "$ORIGIN .",
        f"$TTL {zone.ttl_s}",
        f"{zone.name}\tSOA\t{first}. {contact} {times}",
    ]
    if not any(record.name == owner and record.type == "NS" for record in zone.records):
        lines += [f"{zone.name}\tNS\t{server}." for server in zone.servers]
    lines += [zone_line(record.name, record.type, record.data) for record in zone.records]
    lines += [
        zone_line(below, "DS", data) for below in zone.signed_below for data in ds_records[below]
    ]
    return "".join(f"{line}\n" for line in lines)


def served_zones(plan: Plan, node: NodePlan, keys_of: ZoneKeys) -> Iterator[ServedZone]:
    """Yield the zones that a node serves, with what it needs for each."""
    for zone in plan.zones:
        if node.name in zone.primaries:
            below = {name: keys_of(name)[1] for name in zone.signed_below}
            yield ServedZone(
                zone.name,
                zone_text(zone, below),
                secondaries=_addresses(plan, zone.secondaries),
                keys=tuple(keys_of(zone.name)[0].items()) if zone.signed else (),
                transfer=zone.transfer,
            )
        elif node.name in zone.secondaries:
            yield ServedZone(
                zone.name,
                None,
                primaries=_addresses(plan, zone.primaries),
                transfer=zone.transfer,
            )


def serial_probe(plan: Plan, probe: Probe) -> Probe:
    """Return a question for the SOA of a zone, answered right by the serial of this plan alone.

    So a secondary counts as ready once it has fetched what its primary has.  Other
    questions are returned as they are.

    """
    for zone in plan.zones:
        if probe.send == question(zone.name, SOA):
            # RFC 1035 section 3.3.13: after two names the serial, then how often to refresh.
            numbers = zone.serial.to_bytes(4, "big") + _REFRESH_S.to_bytes(4, "big")
            return probe._replace(expect=f"{probe.expect}.*{re.escape(numbers.decode('latin-1'))}")
    return probe


def _addresses(plan: Plan, nodes: Sequence[str]) -> tuple[str, ...]:
    """Return all addresses by which nodes may come, and be asked."""
    return tuple(
        dict.fromkeys(
            str(address.ip)
            for name in nodes
            for interface in plan.node(name).interfaces
            for address in interface.addresses
        )
    )


def root_servers(plan: Plan) -> tuple[tuple[str, str], ...]:
    """Return the root servers, each with its name and an address."""
    lines = (line.split("\t") for line in root_hints(plan))
    return tuple((name, data) for name, kind, data in lines if kind in ("A", "AAAA"))


def root_hints(plan: Plan) -> tuple[str, ...]:
    """Return the lines with which a resolver begins: the root servers and their addresses."""
    root = next((zone for zone in plan.zones if zone.name == "."), None)
    if root is None:
        return ()
    lines = [zone_line(".", "NS", server) for server in root.servers]
    known = [record for zone in plan.zones for record in zone.records]
    lines += [
        zone_line(record.name, record.type, record.data)
        for record in dict.fromkeys(known)
        if record.name in root.servers and record.type in ("A", "AAAA")
    ]
    return tuple(lines)


def trust_anchors(plan: Plan, keys_of: ZoneKeys) -> tuple[str, ...]:
    """Return the DS records of each signed zone above which none is signed.

    Where the root is signed that is the root alone, if all between are; else there are islands
    of security (RFC 4033 section 2).

    """
    signed = {zone.name for zone in plan.zones if zone.signed}
    return tuple(
        zone_line(zone.name, "DS", data)
        for zone in plan.zones
        if zone.signed and zone.parent not in signed
        for data in keys_of(zone.name)[1]
    )
