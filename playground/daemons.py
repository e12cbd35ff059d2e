"""Routing daemons: whom each speaks to, what it tells, which routes stay static.

Pure functions from the declared routers, with the addresses and the static routes
that the plan has for them; `playground.frr` makes text of it.

"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import count

from playground.addressing import Addressing
from playground.errors import TopologyError
from playground.frr import BgpPeer, OspfPort, RipPort, bgp_settings, ospf_settings, rip_settings
from playground.plan import AnnouncementPlan, NeighbourPlan, Network, RoutePlan
from playground.protocols import BACKBONE, DYNAMIC, FIRST_PRIVATE_AS, OSPF_COST
from playground.realms import Realms, inner_links
from playground.segments import Segment
from playground.services import BGP, OSPF, RIP, ServiceSettings
from playground.topology import End, Link, Machine, Router


@dataclass(frozen=True)
class Daemons:
    """What a router with routing daemons has: their settings, and what they do.

    ``routes`` are the static routes that it keeps: those that no neighbour tells it.

    """

    settings: tuple[ServiceSettings, ...]
    neighbours: tuple[NeighbourPlan, ...]
    announced: tuple[AnnouncementPlan, ...]
    routes: tuple[RoutePlan, ...]


def find_daemons(
    machines: Iterable[Machine],
    realms: Realms,
    addressing: Addressing,
    names: Mapping[End, str],
    routes: Mapping[Machine, Sequence[RoutePlan]],
) -> dict[Machine, Daemons]:
    """Return what each router has that speaks a routing protocol.

    ``routes`` are those of static routing for all machines.  A router that speaks
    a protocol keeps the ones that do not lead to a neighbour of its own, and tells
    the others of them.  Raises `TopologyError` where routers of one network say
    that it lies in different OSPF areas.

    """
    routers = [
        machine
        for machine in machines
        if isinstance(machine, Router) and machine.routing in DYNAMIC
    ]
    if not routers:
        return {}
    domain = _Domain(routers, realms, addressing, names)
    return {router: domain.daemons(router, routes[router]) for router in routers}


@dataclass(frozen=True)
class _Port:
    """A link through which a router speaks its protocol.

    ``network`` is None where the link is point-to-point with addresses of its own.

    """

    router: Router
    link: Link
    segment: Segment
    interface: str
    address: IPv4Address
    network: IPv4Network | None

    @property
    def prefix(self) -> IPv4Network:
        return self.network or IPv4Network(self.address)


class _Domain:
    """All ports through which routers speak, and who hears whom."""

    def __init__(
        self,
        routers: Sequence[Router],
        realms: Realms,
        addressing: Addressing,
        names: Mapping[End, str],
    ) -> None:
        self.ports: dict[Router, list[_Port]] = {}
        self._heard: dict[tuple[Segment, str], list[_Port]] = {}
        self._areas: dict[Segment, str] = {}
        for router in routers:
            ports = self.ports[router] = list(_ports(router, realms, addressing, names))
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
        if port.router.routing == "rip" and port.network is None:
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

    def address(self, router: Router) -> IPv4Address:
        """Return the address that a router is known by, preferably one inside its system."""
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

    def daemons(self, router: Router, routes: Sequence[RoutePlan]) -> Daemons:
        ports = self.ports[router]
        gateways = {(port.interface, other.address) for port in ports for other in self.heard(port)}
        kept = tuple(route for route in routes if (route.interface, route.via) not in gateways)
        told = [r.destination for r in kept if r.destination.version == 4 and r.via is not None]
        if not ports:
            return Daemons((), (), (), tuple(routes))
        default = any(not network.prefixlen for network in told)
        return Daemons(
            settings=tuple(self._settings(router, default)),
            neighbours=tuple(
                NeighbourPlan(
                    str(router.routing),
                    port.interface,
                    other.router.name,
                    other.interface,
                    other.address,
                    self.cost(port, other),
                )
                for port in ports
                for other in self.heard(port)
            ),
            announced=tuple(self._announced(router, told)),
            routes=kept,
        )

    def _announced(self, router: Router, told: Iterable[Network]) -> Iterator[AnnouncementPlan]:
        for port in self.ports[router]:
            yield AnnouncementPlan(port.prefix, port.interface, self.cost(port, None))
        for network in told:
            if network.prefixlen:
                yield AnnouncementPlan(network, None, 0)

    def _settings(self, router: Router, default: bool) -> Iterator[ServiceSettings]:
        # What masquerades is the way out for all that is behind it.
        default = default or bool(router.uplinks)
        ports = self.ports[router]
        if router.routing == "rip":
            rows = [RipPort(port.interface, not self.heard(port)) for port in ports]
            yield RIP(rip_settings(rows, default))
            return
        address = self.address(router)
        if router.routing == "ospf":
            yield OSPF(ospf_settings(address, self._ospf_ports(router, self.heard), default))
            return
        if len(self.system(router)) > 1:
            yield OSPF(ospf_settings(address, self._ospf_ports(router, self.inner), False))
        networks = dict.fromkeys(port.prefix for port in ports)
        peers = self._bgp_peers(router)
        yield BGP(bgp_settings(self.as_numbers[router], address, networks, peers, default))

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

    def _bgp_peers(self, router: Router) -> Iterator[BgpPeer]:
        for other in self.system(router):
            if other is not router:
                number = self.as_numbers[other]
                yield BgpPeer(self.address(other), number, source=self.address(router))
        for port in self.ports[router]:
            for peer in self.outer(port):
                number = self.as_numbers[peer.router]
                yield BgpPeer(peer.address, number, on_subnet=port.network is not None)


def _ports(
    router: Router, realms: Realms, addressing: Addressing, names: Mapping[End, str]
) -> Iterator[_Port]:
    for link in inner_links(router):
        end = link.end(router)
        segment = realms.segment_of[end]
        for address in addressing.of(end, 4)[:1]:
            network = addressing.subnets[segment, 4]
            yield _Port(router, link, segment, names[end], address.ip, network)  # type: ignore[arg-type]


def _as_numbers(routers: Iterable[Router]) -> dict[Router, int]:
    """Return the number of each BGP router's system; those without one get one each."""
    speakers = sorted(
        (router for router in routers if router.routing == "bgp"), key=lambda router: router.serial
    )
    taken = {router.as_number for router in speakers}
    free = (number for number in count(FIRST_PRIVATE_AS) if number not in taken)
    return {router: router.as_number or next(free) for router in speakers}
