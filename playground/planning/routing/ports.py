"""Ports: links through which routers speak a protocol, and the names that routers go by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network

from playground.model.addresses import Address, InterfaceAddress, Network
from playground.model.parts import End, LinkBase
from playground.model.records import dataclass
from playground.model.topology import Link, Machine, Router
from playground.planning.addresses.addressing import Addressing
from playground.planning.addresses.nat_realms import Realms, inner_links
from playground.planning.addresses.router_parts import Speaker, end_of
from playground.planning.addresses.segments import Segment
from playground.planning.interface_names import Wiring, link_local


@dataclass(frozen=True)
class SpeakingPort:
    """A link through which a router speaks its protocol.

    ``network`` is None where the link is point-to-point with addresses of its own;
    ``link_local`` is what the interface is called by its neighbours in IPv6, and its
    ``address`` where it is ``unnumbered``.

    """

    router: Speaker
    link: Link
    segment: Segment
    interface: str
    address: Address
    network: Network | None
    link_local: IPv6Address
    unnumbered: bool = False

    @property
    def prefix(self) -> Network:
        return self.network or ip_network(self.address)


def is_unnumbered(link: LinkBase) -> bool:
    """Whether BGP goes over a link without addresses: between routers of two AS (RFC 8950)."""
    a, b = (end.node for end in link.ends)
    return (
        all(end.unaddressed for end in link.ends)
        and isinstance(a, Router)
        and isinstance(b, Router)
        and "bgp" in a.protocols
        and "bgp" in b.protocols
        and (a.as_number is None or a.as_number != b.as_number)
    )


def unnumbered_ends(machines: Iterable[Machine], wiring: Wiring) -> dict[End, IPv6Address]:
    """Return the ends of links over which BGP goes without addresses, with what they are called."""
    return {
        end: link_local(wiring.macs[end])
        for machine in machines
        if isinstance(machine, Router) and "bgp" in machine.protocols
        for link in machine.links
        if is_unnumbered(link)
        for end in [link.end(machine)]
    }


def ports_of(
    router: Speaker,
    realms: Realms,
    addressing: Addressing,
    wiring: Wiring,
    family: int,
    unnumbered: bool = True,
) -> Iterator[SpeakingPort]:
    """Yield the ports of a router for one version of IP, in the order of its links.

    ``unnumbered`` links, which have no addresses of their own, are BGP's alone.

    """
    for link in inner_links(router):
        end = end_of(link, router)
        segment = realms.segment_of[end]
        if family == 4 and unnumbered and is_unnumbered(link):
            own = link_local(wiring.macs[end])
            yield SpeakingPort(router, link, segment, wiring.names[end], own, None, own, True)
        for address in addressing.of(end, family)[:1]:
            network = addressing.subnets[segment, family]
            own = link_local(wiring.macs[end])
            yield SpeakingPort(router, link, segment, wiring.names[end], address.ip, network, own)


def choose_router_id(
    router: Speaker, realms: Realms, addressing: Addressing, wiring: Wiring
) -> IPv4Address:
    """Return a number of 32 bits of a router's own, an address of IPv4 where it has one."""
    for own in router.loopback:
        if own.version == 4:
            return IPv4Address(own.ip)
    for port in ports_of(router, realms, addressing, wiring, 4):
        if isinstance(port.address, IPv4Address):
            return port.address
    # Without IPv4 it is the end of a MAC address, of which no two are the same.
    mac = wiring.macs[end_of(router.links[0], router)]
    return IPv4Address(bytes.fromhex(mac.replace(":", ""))[-4:])


def numbered_by_hand(segment: Segment, family: int) -> bool:
    """Whether somebody has chosen the addresses of a segment."""
    given: list[Network | Address | InterfaceAddress] = [
        *(subnet for switch, vlan in segment.places for subnet in switch.subnets_of(vlan)),
        *(subnet for link in segment.links for subnet in link.subnets),
        *(address for end in segment.ends for address in end.addresses),
    ]
    return any(item.version == family for item in given)
