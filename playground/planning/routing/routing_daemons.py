"""Routing daemons: whom each speaks to, what it tells, which routes stay static.

Pure functions from the declared routers, with the addresses and the static routes
that the plan has for them; `routing.frr` makes text of it.

"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network
from itertools import count

from playground.errors import TopologyError
from playground.model.addresses import Address, InterfaceAddress, Network
from playground.model.records import dataclass
from playground.model.routing import BACKBONE, DYNAMIC, FIRST_PRIVATE_AS, OSPF_COST
from playground.model.services.frr import BGP, OSPF, OSPF6, RIP, RIPng
from playground.model.services.settings import ServiceSettings
from playground.model.services.table import SERVICES
from playground.model.topology import Link, Machine, Router
from playground.planning.addresses.addressing import FAMILIES, Addressing
from playground.planning.addresses.nat_realms import Realms, inner_links
from playground.planning.addresses.segments import Segment
from playground.planning.interface_names import Wiring, link_local
from playground.planning.plan_parts import LOOPBACK, AnnouncementPlan, NeighbourPlan, RoutePlan
from playground.planning.routing.frr import (
    BgpFamily,
    BgpPeer,
    OspfPort,
    RipPort,
    bgp_settings,
    ospf6_settings,
    ospf_settings,
    rip_settings,
    ripng_settings,
)


@dataclass(frozen=True)
class Daemons:
    """The routing daemons of a router: their settings, and the routes they spread.

    ``routes`` are the static routes that it keeps: those that no neighbour tells it.
    ``hidden`` are the links, each with a version of IP, whose networks it tells nobody of.

    """

    settings: tuple[ServiceSettings, ...]
    neighbours: tuple[NeighbourPlan, ...]
    announced: tuple[AnnouncementPlan, ...]
    routes: tuple[RoutePlan, ...]
    hidden: tuple[tuple[Link, int], ...]
    as_number: int | None


def find_daemons(
    machines: Iterable[Machine],
    realms: Realms,
    addressing: Addressing,
    wiring: Wiring,
    routes: Mapping[Machine, Sequence[RoutePlan]],
) -> dict[Machine, Daemons]:
    """Return what each router has that speaks a routing protocol.

    ``routes`` are those of static routing for all machines.  A router that speaks
    a protocol keeps the ones that do not lead to a neighbour of its own, and tells
    the others of them.  IPv4 and IPv6 have protocols of their own (OSPF and OSPFv3,
    RIP and RIPng), or sessions of their own (BGP), and know nothing of each other.
    Raises `TopologyError` where routers of one network say that it lies in different
    OSPF areas.

    """
    routers = [
        machine
        for machine in machines
        if isinstance(machine, Router) and machine.routing in DYNAMIC
    ]
    if not routers:
        return {}
    domains = [_Domain(routers, realms, addressing, wiring, family) for family in FAMILIES]
    return {router: _daemons(router, domains, routes[router]) for router in routers}


def _daemons(router: Router, domains: Sequence[_Domain], routes: Sequence[RoutePlan]) -> Daemons:
    parts = [
        domain.part(router, [r for r in routes if r.destination.version == domain.family])
        for domain in domains
    ]
    settings = [item for part in parts for item in part.settings]
    if spoken := [domain for domain in domains if router.routing == "bgp" and domain.ports[router]]:
        # One daemon has one number and one name in both families.
        number, name = spoken[0].as_numbers[router], spoken[0].router_id(router)
        families = [part.bgp for part in parts if part.bgp]
        settings.append(BGP(bgp_settings(number, name, families), from_lab=True))
    return Daemons(
        # A daemon without a network to speak on runs all the same, and waits for one.
        tuple(settings) or (SERVICES[str(router.routing)].settings(),),
        tuple(peer for part in parts for peer in part.neighbours),
        tuple(item for part in parts for item in part.announced),
        tuple(route for part in parts for route in part.routes),
        tuple(
            (port.link, domain.family)
            for domain in domains
            for port in domain.ports[router]
            if domain.hides(port)
        ),
        domains[0].as_numbers.get(router),
    )


@dataclass(frozen=True)
class _Part:
    """A router's daemons for one version of IP; ``bgp`` is its part of BGP's settings."""

    routes: tuple[RoutePlan, ...]
    settings: tuple[ServiceSettings, ...] = ()
    neighbours: tuple[NeighbourPlan, ...] = ()
    announced: tuple[AnnouncementPlan, ...] = ()
    bgp: BgpFamily | None = None


@dataclass(frozen=True)
class _Port:
    """A link through which a router speaks its protocol.

    ``network`` is None where the link is point-to-point with addresses of its own;
    ``link_local`` is what the interface is called by its neighbours in IPv6.

    """

    router: Router
    link: Link
    segment: Segment
    interface: str
    address: Address
    network: Network | None
    link_local: IPv6Address

    @property
    def prefix(self) -> Network:
        return self.network or ip_network(self.address)


class _Domain:
    """All ports through which routers speak one version of IP, and who hears whom."""

    def __init__(
        self,
        routers: Sequence[Router],
        realms: Realms,
        addressing: Addressing,
        wiring: Wiring,
        family: int,
    ) -> None:
        self.family = family
        self._router_ids = {
            router: _router_id(router, realms, addressing, wiring)
            for router in routers
            if router.links
        }
        self.ports: dict[Router, list[_Port]] = {}
        self._loopbacks = {
            router: [item for item in router.loopback if item.version == family]
            for router in routers
        }
        self._heard: dict[tuple[Segment, str], list[_Port]] = {}
        self._areas: dict[Segment, str] = {}
        for router in routers:
            ports = self.ports[router] = list(_ports(router, realms, addressing, wiring, family))
            for port in ports:
                self._heard.setdefault((port.segment, str(router.routing)), []).append(port)
        for router in routers:
            for port in self.ports[router]:
                self._say_area(port)
        self.as_numbers = _as_numbers(routers)

    def _say_area(self, port: _Port) -> None:
        said = port.router.ospf_links.get(port.link)
        if said is None or said.area is None:
            return
        area = self._areas.setdefault(port.segment, said.area)
        if area != said.area:
            raise TopologyError(
                f"router {port.router.name} says that {port.segment.name} lies in OSPF area "
                f"{said.area}, and another router there says {area}; all of a network lies in one "
                f"area (RFC 2328)"
            )

    def area(self, port: _Port) -> str:
        return self._areas.get(port.segment, BACKBONE)

    def heard(self, port: _Port) -> list[_Port]:
        """Return the ports of others that speak the same on this port's network."""
        if port.router.routing == "rip" and port.network is None and self.family == 4:
            return []  # RFC 2453 section 3.9.2: answers must come from the same network
        everybody = self._heard[port.segment, str(port.router.routing)]
        return [other for other in everybody if other.router is not port.router]

    def same_system(self, one: Router, other: Router) -> bool:
        return self.as_numbers.get(one) == self.as_numbers.get(other)

    def cost(self, port: _Port, other: _Port | None) -> int:
        """Return what it costs to go out through a port, to another's or to its network."""
        if port.router.routing == "ospf":
            said = port.router.ospf_links.get(port.link)
            return said.cost if said and said.cost else OSPF_COST
        if other is None:
            return 0
        return 0 if port.router.routing == "bgp" and self._is_inner(port, other) else 1

    def _is_inner(self, port: _Port, other: _Port) -> bool:
        return self.same_system(port.router, other.router)

    def inner(self, port: _Port) -> list[_Port]:
        """Return the ports that a BGP router hears of its own system."""
        return [other for other in self.heard(port) if self._is_inner(port, other)]

    def outer(self, port: _Port) -> list[_Port]:
        return [other for other in self.heard(port) if not self._is_inner(port, other)]

    def address(self, router: Router) -> Address:
        """Return the address that a router is known by, preferably one inside its system."""
        if own := self._loopbacks[router]:
            return own[0].ip
        ports = self.ports[router]
        inside = [port for port in ports if router.routing == "bgp" and self.inner(port)]
        return (inside or ports)[0].address

    def system(self, router: Router) -> list[Router]:
        """Return the routers that share a BGP router's system and are linked to it, itself too."""
        found = [router]
        for one in found:
            for port in self.ports[one]:
                for other in self.inner(port):
                    if other.router not in found:
                        found.append(other.router)
        return sorted(found, key=lambda member: member.serial)

    def part(self, router: Router, routes: Sequence[RoutePlan]) -> _Part:
        ports = self.ports[router]
        if not ports:
            return _Part(tuple(routes))
        gateways = {(port.interface, other.address) for port in ports for other in self.heard(port)}
        kept = tuple(route for route in routes if (route.interface, route.via) not in gateways)
        told = [route.destination for route in kept if route.via is not None]
        if router.redistribute is not None and "kernel" not in router.redistribute:
            told = []
        redistribute = self._redistributed(router, told)
        # A router that masquerades is the way out for all behind it.
        default = any(not network.prefixlen for network in told) or (
            self.family == 4 and bool(router.uplinks)
        )
        bgp = self._bgp(router, default, redistribute) if router.routing == "bgp" else None
        return _Part(
            routes=kept,
            settings=tuple(self._settings(router, default, redistribute)),
            neighbours=tuple(
                NeighbourPlan(
                    self._protocol(router),
                    port.interface,
                    other.router.name,
                    other.interface,
                    self._gateway(port, other),
                    self.cost(port, other),
                )
                for port in ports
                for other in self.heard(port)
            ),
            announced=tuple(self._announced(router, told)),
            bgp=bgp,
        )

    def _redistributed(self, router: Router, told: Iterable[Network]) -> tuple[str, ...]:
        """Return whose routes a router tells the others of, as FRR calls them."""
        if router.redistribute is None:
            # A router that has no such routes is none that leads out of OSPF's domain (an
            # AS boundary router, RFC 2328 section 3.3).
            leads_out = any(network.prefixlen for network in told)
            return ("kernel",) if leads_out or self._unnumbered(router) else ()
        words = _IPV6 if self.family == 6 else {}
        return tuple(words.get(word, word) for word in router.redistribute)

    def _unnumbered(self, router: Router) -> bool:
        """Tell whether OSPF takes a port for unnumbered: it says nothing of its addresses.

        The kernel's routes to them are told of instead.

        """
        return router.routing == "ospf" and any(port.network is None for port in self.ports[router])

    def hides(self, port: _Port) -> bool:
        """Tell whether a BGP router tells nobody of the network of one of its ports."""
        router = port.router
        if router.routing != "bgp":
            return False
        if (announce := router.bgp_links.get(port.link)) is not None:
            return not announce
        return self._hidden_by_default(port) and bool(
            self._loopbacks[router]
            or any(
                other.router.bgp_links.get(other.link, not self._hidden_by_default(other))
                for other in self.ports[router]
            )
        )

    def _hidden_by_default(self, port: _Port) -> bool:
        """Tell whether a port's network is one that BGP is not usually told to announce.

        Nobody is on it but BGP routers, of several systems, and somebody has chosen its
        addresses.  Where the lab did, all that is in it is to reach all.

        """
        if not _numbered_by_hand(port.segment, self.family):
            return False
        there = {other.router for other in self._heard[port.segment, "bgp"]}
        return bool(self.outer(port)) and {end.node for end in port.segment.ends} == there

    def _protocol(self, router: Router) -> str:
        routing = str(router.routing)
        return _IPV6[routing] if self.family == 6 else routing

    def _gateway(self, port: _Port, other: _Port) -> Address:
        """Return the address that routes through a neighbour's port lead to."""
        # Link-local next hops: RFC 5340 section 4.8.2, RFC 2080 section 2.1; bgpd gives a
        # neighbour that shares a subnet its link-local one, and others their own.
        if self.family == 4:
            return other.address
        apart = port.network is None and not self._is_inner(port, other)
        return other.address if port.router.routing == "bgp" and apart else other.link_local

    def router_id(self, router: Router) -> IPv4Address:
        """Return a number of 32 bits of a router's own, an address of IPv4 where it has one."""
        return self._router_ids[router]

    def _announced(self, router: Router, told: Iterable[Network]) -> Iterator[AnnouncementPlan]:
        for port in self.ports[router]:
            if not self.hides(port):
                yield AnnouncementPlan(port.prefix, port.interface, self.cost(port, None))
        for own in self._loopbacks[router]:
            yield AnnouncementPlan(own.network, LOOPBACK, 0)
        for network in told:
            if network.prefixlen:
                yield AnnouncementPlan(network, None, 0)

    def _settings(
        self, router: Router, default: bool, redistribute: tuple[str, ...]
    ) -> Iterator[ServiceSettings]:
        if router.routing == "rip":
            rows = [RipPort(port.interface, not self.heard(port)) for port in self.ports[router]]
            own = [item.network for item in self._loopbacks[router]]
            if self.family == 4:
                rows += [RipPort(LOOPBACK, True)] if own else []
                yield RIP(rip_settings(rows, default, redistribute), from_lab=True)
            else:
                yield RIPng(ripng_settings(rows, default, redistribute, own), from_lab=True)
        elif router.routing == "ospf":
            yield self._ospf(router, self._ospf_ports(router, self.heard), default, redistribute)
        elif len(self.system(router)) > 1:
            yield self._ospf(router, self._ospf_ports(router, self.inner), False, ())

    def _ospf(
        self,
        router: Router,
        ports: Iterable[OspfPort],
        default: bool,
        redistribute: tuple[str, ...],
    ) -> ServiceSettings:
        name = self.router_id(router)
        if self.family == 4:
            return OSPF(ospf_settings(name, ports, default, redistribute), from_lab=True)
        return OSPF6(ospf6_settings(name, ports, default, redistribute), from_lab=True)

    def _bgp(self, router: Router, default: bool, redistribute: tuple[str, ...]) -> BgpFamily:
        told = (port.prefix for port in self.ports[router] if not self.hides(port))
        networks = dict.fromkeys(told)
        # Sessions inside a system are between these addresses, and bgpd takes from a session
        # no route to its other end: so each router tells of all of them, which it has by OSPF.
        for member in self.system(router):
            networks |= dict.fromkeys(own.network for own in self._loopbacks[member])
        peers = self._bgp_peers(router)
        return BgpFamily(self.family, tuple(networks), tuple(peers), default, redistribute)

    def _ospf_ports(
        self, router: Router, heard: Callable[[_Port], list[_Port]]
    ) -> Iterator[OspfPort]:
        for port in self.ports[router]:
            others = heard(port)
            yield OspfPort(
                port.interface,
                self.area(port),
                self.cost(port, None) if router.routing == "ospf" else OSPF_COST,
                passive=not others,
                point_to_point=port.network is None or len(port.segment.ends) == 2,
            )
        if self._loopbacks[router]:
            # In an area that it is in anyway: the backbone, or else that of its first link.
            areas = [self.area(port) for port in self.ports[router]]
            area = BACKBONE if BACKBONE in areas else areas[0]
            yield OspfPort(LOOPBACK, area, 0, passive=True, point_to_point=False, local=True)

    def _bgp_peers(self, router: Router) -> Iterator[BgpPeer]:
        for other in self.system(router):
            if other is not router:
                number = self.as_numbers[other]
                yield BgpPeer(self.address(other), number, source=self.address(router))
        for port in self.ports[router]:
            for peer in self.outer(port):
                number = self.as_numbers[peer.router]
                yield BgpPeer(peer.address, number, on_subnet=port.network is not None)


def _numbered_by_hand(segment: Segment, family: int) -> bool:
    given: list[Network | Address | InterfaceAddress] = [
        *(subnet for switch, vlan in segment.places for subnet in switch.subnets_of(vlan)),
        *(subnet for link in segment.links for subnet in link.subnets),
        *(address for end in segment.ends for address in end.addresses),
    ]
    return any(item.version == family for item in given)


# The protocol for IPv6 beside each protocol for IPv4; BGP does both.
_IPV6 = {"ospf": "ospf6", "rip": "ripng", "bgp": "bgp"}


def _ports(
    router: Router, realms: Realms, addressing: Addressing, wiring: Wiring, family: int
) -> Iterator[_Port]:
    for link in inner_links(router):
        end = link.end(router)
        segment = realms.segment_of[end]
        for address in addressing.of(end, family)[:1]:
            network = addressing.subnets[segment, family]
            own = link_local(wiring.macs[end])
            yield _Port(router, link, segment, wiring.names[end], address.ip, network, own)


def _router_id(
    router: Router, realms: Realms, addressing: Addressing, wiring: Wiring
) -> IPv4Address:
    for own in router.loopback:
        if own.version == 4:
            return IPv4Address(own.ip)
    for port in _ports(router, realms, addressing, wiring, 4):
        return IPv4Address(port.address)
    # Without IPv4 it is the end of a MAC address, of which no two are the same.
    mac = wiring.macs[router.links[0].end(router)]
    return IPv4Address(bytes.fromhex(mac.replace(":", ""))[-4:])


def _as_numbers(routers: Iterable[Router]) -> dict[Router, int]:
    """Return the number of each BGP router's system; those without one get one each."""
    speakers = sorted(
        (router for router in routers if router.routing == "bgp"), key=lambda router: router.serial
    )
    taken = {router.as_number for router in speakers}
    free = (number for number in count(FIRST_PRIVATE_AS) if number not in taken)
    return {router: router.as_number or next(free) for router in speakers}
