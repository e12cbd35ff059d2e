"""Router advertisements of a plan, and the text of radvd.conf(5) that sends them.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import Address
from playground.model.ipv6.advertising import Advertisement
from playground.model.ipv6.slaac import Automatic
from playground.model.parts import End, MachineBase
from playground.model.services.ipv6.radvd import RouterAdvertisements
from playground.model.topology import Machine, Router
from playground.planning.addresses.addressing import Addressing
from playground.planning.addresses.segments import Segment
from playground.planning.ipv6.radvd_text import radvd_text
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import AdvertisementPlan


def find_advertisements(
    segments: Sequence[Segment],
    addressing: Addressing,
    names: Mapping[End, str],
    automatic: Mapping[End, Automatic],
    everywhere: bool,
    nameservers: Mapping[Any, Sequence[Address]],
    translating: Mapping[Any, Sequence[MachineBase]],
) -> dict[Machine, tuple[AdvertisementPlan, ...]]:
    """Return what each router advertises, in the order of its links.

    With ``everywhere`` the routers of a network advertise it where a host waits for that and
    none was told to.  ``nameservers`` are those that each node asks, ``translating`` the hosts
    with `DNS64` that it reaches: a network without IPv4 is told of these.

    """
    owners = {item.ip: end.node for end, items in addressing.addresses.items() for item in items}
    found: dict[Machine, list[AdvertisementPlan]] = {}
    for segment in segments:
        told = {end: said for end in segment.ends if (said := _said(end)) is not None}
        waits = any(end in automatic and automatic[end].slaac for end in segment.ends)
        if everywhere and waits and not told:
            told = {end: Advertisement(end.node.links[0]) for end in _routers(segment)}
        for end, said in told.items():
            plan = _plan(end, said, segment, addressing, names[end])
            servers = said.rdnss
            if servers is None:
                asked = nameservers.get(end.node, ())
                servers = tuple(owners[item] for item in asked if item in owners)
                # RFC 6147: of others its hosts get addresses to which they know no way.
                if addressing.subnets.get((segment, 4)) is None:
                    servers = tuple(translating.get(end.node, ())) or servers
            rdnss = _addresses(end, servers, addressing, strict=said.rdnss is not None)
            found.setdefault(end.node, []).append(replace(plan, rdnss=rdnss))
    return {machine: _in_order(machine, plans, names) for machine, plans in found.items()}


def _in_order(
    machine: Machine, plans: Sequence[AdvertisementPlan], names: Mapping[End, str]
) -> tuple[AdvertisementPlan, ...]:
    order = [names[link.end(machine)] for link in machine.attachments]
    return tuple(sorted(plans, key=lambda item: order.index(item.interface)))


def _said(end: End) -> Advertisement | None:
    if not isinstance(end.node, Router):
        return None
    return next(
        (said for link, said in end.node.advertised.items() if link.end(end.node) is end), None
    )


def _routers(segment: Segment) -> list[End]:
    """Return the ends of the routers that know a way, or of all where none was given any."""
    routers = [end for end in segment.ends if isinstance(end.node, Router) and not end.unaddressed]
    return [end for end in routers if end.node.routing is not None] or routers


def _plan(
    end: End, said: Advertisement, segment: Segment, addressing: Addressing, name: str
) -> AdvertisementPlan:
    prefixes = said.prefixes
    if prefixes is None:
        own = addressing.subnets.get((segment, 6))
        prefixes = (own,) if isinstance(own, IPv6Network) else ()
        if said.autonomous and prefixes and prefixes[0].prefixlen != 64:
            raise TopologyError(
                f"{end.node.name} is to advertise {segment.name}, whose network {own} is no /64, "
                "of which alone hosts make addresses (RFC 4862); give it a /64, or autonomous=False"
            )
    return AdvertisementPlan(
        name,
        prefixes,
        said.managed,
        said.other,
        said.autonomous,
        said.lifetime_s,
        (),
        said.dnssl,
        said.preference,
    )


def _addresses(
    end: End,
    servers: Sequence[MachineBase | IPv6Address],
    addressing: Addressing,
    strict: bool,
) -> tuple[IPv6Address, ...]:
    found: dict[IPv6Address, None] = {}
    for server in servers:
        if isinstance(server, IPv6Address):
            found[server] = None
            continue
        own = [
            item.ip
            for other, items in addressing.addresses.items()
            if other.node is server
            for item in items
            if isinstance(item.ip, IPv6Address)
        ]
        if not own and strict:
            raise TopologyError(
                f"{end.node.name} is to tell of the name server {server.name}, which has no IPv6 "
                "address in this lab; link it to a network with IPv6"
            )
        found |= dict.fromkeys(own[:1])
    return tuple(found)


def services_of(plans: Sequence[AdvertisementPlan]) -> tuple[RouterAdvertisements, ...]:
    """Return the daemon that sends them, none where there are none."""
    return (RouterAdvertisements(radvd_text(plans)),) if plans else ()


def refuse_late(previous: Plan | None, nodes: Collection[NodePlan]) -> None:
    """Refuse the first advertisement of a router that runs: its image has no radvd."""
    running = {node.name: node for node in previous.nodes} if previous else {}
    for node in nodes:
        was = running.get(node.name)
        if node.advertisements and was is not None and "radvd" not in was.daemons:
            raise TopologyError(
                f"{node.name} runs already, and was started without radvd, which would advertise "
                f"it: stop the lab, say {node.name}.advertise(...) and start it again"
            )
