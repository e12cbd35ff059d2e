"""Prefix delegation of a plan: who gets which prefix, and what Kea is told (RFC 8415).  Pure.

As an address by DHCP, a prefix is planned and kept for its router, by its MAC address.

"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv6Interface, IPv6Network
from itertools import islice

from playground.errors import TopologyError
from playground.model.parts import End
from playground.model.records import dataclass
from playground.model.services.ipv6.delegation import PrefixDelegation
from playground.model.topology import Machine, Router
from playground.planning.addresses.addressing import Addressing
from playground.planning.addresses.segments import Segment
from playground.planning.broadcast_domains import find_domains
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import DelegatedLink, DelegationPlan, InterfacePlan


@dataclass(frozen=True, eq=False)
class Delegation:
    """A prefix that a router asks for at one end, and the ends that get parts of it."""

    router: Router
    asking: End
    prefix: IPv6Network
    parts: Mapping[End, IPv6Network]


def find_delegations(segments: Sequence[Segment]) -> list[Delegation]:
    """Return who gets which prefix, in the order declared.

    Raises `TopologyError` where nobody delegates, or a pool is too small.

    """
    found: list[Delegation] = []
    for segment in segments:
        asking = [
            (end, link)
            for end in segment.ends
            if isinstance(end.node, Router)
            for link in end.node.requested
            if link.end(end.node) is end
        ]
        if not asking:
            continue
        settings = _serving(segment)
        if settings is None:
            raise TopologyError(
                f"{asking[0][0].node.name} asks for a prefix on {segment.name}, and nobody there "
                'delegates any: give a router there services=["prefix-delegation"]'
            )
        pool = IPv6Network(settings.pool)
        static = {name.lower(): IPv6Network(item) for name, item in settings.static.items()}
        # A server may be asked on several links.
        kept = {*static.values(), *(item.prefix for item in found)}
        free = (one for one in _parts(pool, settings.length) if one not in kept)
        for end, link in asking:
            router = end.node
            named = next((static[name] for name in sorted(router.calls) if name in static), None)
            prefix = named or next(free, None)
            if prefix is None:
                raise TopologyError(
                    f"{segment.name}: PrefixDelegation has no /{settings.length} of {pool} left "
                    f"for {router.name}; give it a larger pool"
                )
            links = router.requested[link]
            networks = [*islice(_parts(prefix, 64), len(links))]
            if len(networks) < len(links):
                raise TopologyError(
                    f"{router.name} asks for the networks of {len(links)} links, and gets "
                    f"{prefix}, which has {len(networks)}; let a shorter prefix be delegated, "
                    "with length="
                )
            ends = [one.end(router) for one in links]
            found.append(Delegation(router, end, prefix, dict(zip(ends, networks, strict=True))))
    return found


def subnets(
    delegations: Sequence[Delegation], segments: Sequence[Segment]
) -> dict[Segment, IPv6Network]:
    """Return the networks that segments have because a router was given them.

    Raises `TopologyError` where one has an IPv6 subnet already.

    """
    segment_of = {end: segment for segment in segments for end in segment.ends}
    found: dict[Segment, IPv6Network] = {}
    for item in delegations:
        for end, network in item.parts.items():
            segment = segment_of[end]
            own = (link.subnets for link in segment.links)
            switched = (switch.subnets_of(vlan) for switch, vlan in segment.places)
            declared = [one for group in (*own, *switched) for one in group if one.version == 6]
            if declared or segment in found:
                raise TopologyError(
                    f"{item.router.name} is to give {segment.name} a network of its prefix, and it "
                    f"has {declared[0] if declared else found[segment]}; leave one of the two out"
                )
            found[segment] = network
    return found


def plans(
    machine: Machine,
    delegations: Sequence[Delegation],
    addressing: Addressing,
    names: Mapping[End, str],
) -> tuple[DelegationPlan, ...]:
    """Return what a router asks for, none where it asks for nothing."""
    return tuple(
        DelegationPlan(
            names[item.asking],
            item.prefix,
            tuple(
                DelegatedLink(names[end], number, int(address.ip) - int(network.network_address))
                for number, (end, network) in enumerate(item.parts.items())
                for address in addressing.of(end, 6)[:1]
            ),
        )
        for item in delegations
        if item.router is machine
    )


def kea_text(plan: Plan, server: NodePlan) -> str:
    """Return the configuration of Kea's DHCPv6 server, "" for a node that delegates nothing."""
    settings = next((one for one in server.services if isinstance(one, PrefixDelegation)), None)
    if settings is None:
        return ""
    pool = IPv6Network(settings.pool)
    networks = []
    for number, (interface, clients) in enumerate(_served(plan, server), start=1):
        own = next((one for one in interface.addresses if isinstance(one, IPv6Interface)), None)
        if own is None:
            continue
        networks.append(
            {
                "id": number,
                "subnet": str(own.network),
                "interface": interface.name,
                "pd-pools": [
                    {
                        "prefix": str(pool.network_address),
                        "prefix-len": pool.prefixlen,
                        "delegated-len": settings.length,
                    }
                ]
                if number == 1
                else [],
                "reservations": [
                    {"hw-address": mac, "prefixes": [str(prefix)]} for mac, prefix in clients
                ],
            }
        )
    said = {
        "interfaces-config": {"interfaces": [item["interface"] for item in networks]},
        "lease-database": {"type": "memfile", "persist": False},
        "server-id": {"type": "LL", "persist": False},
        "mac-sources": ["any"],
        "valid-lifetime": settings.lease_s,
        "preferred-lifetime": settings.lease_s // 4 * 3,
        "subnet6": networks,
        "loggers": [
            {
                "name": "kea-dhcp6",
                "severity": "INFO",
                "output_options": [{"output": "/var/log/kea/kea-dhcp6.log"}],
            }
        ],
    }
    return json.dumps({"Dhcp6": said}, indent=2) + "\n"


def _served(
    plan: Plan, server: NodePlan
) -> Iterator[tuple[InterfacePlan, list[tuple[str, IPv6Network]]]]:
    """Yield each interface of a server with the routers that ask there: MAC address and prefix."""
    own = {item.name: item for item in server.interfaces}
    for domain in find_domains(plan):
        here = [port for name, port in domain if name == server.name]
        if not here:
            continue
        asking = [
            (item.mac, said.prefix)
            for name, port in domain
            if name not in plan.switch_names
            for said in plan.node(name).delegations
            if said.interface == port
            for item in plan.node(name).interfaces
            if item.name == port
        ]
        yield own[here[0]], asking


def _parts(network: IPv6Network, length: int) -> Iterator[IPv6Network]:
    return network.subnets(new_prefix=length)


def _serving(segment: Segment) -> PrefixDelegation | None:
    for end in segment.ends:
        services = end.node.declared_services if isinstance(end.node, Machine) else ()
        for settings in services:
            if isinstance(settings, PrefixDelegation):
                return settings
    return None
