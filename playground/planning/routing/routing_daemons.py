"""Routing daemons: whom each speaks to, what it tells, which routes stay static.

Pure functions from the declared routers, with the addresses and the static routes
that the plan has for them; `routing.frr_text` makes text of it.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from itertools import count

from playground.errors import TopologyError
from playground.model.addresses import Address, Network
from playground.model.records import dataclass
from playground.model.routing.bgp import PeerSettings
from playground.model.routing.ospf import BACKBONE, OSPF_COST, TUNNEL_COST, OspfLink
from playground.model.routing.protocols import DYNAMIC, FIRST_PRIVATE_AS
from playground.model.services.frr import BFD, BGP, OSPF, OSPF6, RIP, RIPng
from playground.model.services.settings import ServiceSettings
from playground.model.services.table import SERVICES
from playground.model.topology import Link, Machine, Router
from playground.planning.addresses.addressing import FAMILIES, Addressing
from playground.planning.addresses.nat_realms import Realms
from playground.planning.addresses.segments import Segment
from playground.planning.addresses.tolerated_faults import Doubts
from playground.planning.interface_names import Wiring
from playground.planning.plan_parts import LOOPBACK, AnnouncementPlan, NeighbourPlan, RoutePlan
from playground.planning.routing.bgp_routes import (
    BgpSpeaker,
    Heard,
    PeerSide,
    has_policies,
    what_is_heard,
)
from playground.planning.routing.frr_text import (
    BgpFamily,
    BgpPeer,
    OspfPort,
    Redistribution,
    RipPort,
    bfd_settings,
    bgp_settings,
    ospf6_settings,
    ospf_settings,
    rip_settings,
    ripng_settings,
)
from playground.planning.routing.ospf_areas import AreaPrefix, OspfAreas
from playground.planning.routing.ports import (
    SpeakingPort,
    choose_router_id,
    numbered_by_hand,
    ports_of,
)


@dataclass(frozen=True)
class Daemons:
    """The routing daemons of a router: their settings, and the routes they spread.

    ``routes`` are the static routes that it keeps: those that no neighbour tells it.
    ``hidden`` are the links, each with a version of IP, whose networks it tells nobody of.
    ``covered`` are networks that it hears of only as a part of greater ones, ``withheld`` those
    that a policy keeps from it.

    """

    settings: tuple[ServiceSettings, ...]
    neighbours: tuple[NeighbourPlan, ...]
    announced: tuple[AnnouncementPlan, ...]
    routes: tuple[RoutePlan, ...]
    hidden: tuple[tuple[Link, int], ...]
    as_number: int | None
    covered: tuple[Network, ...] = ()
    withheld: tuple[Network, ...] = ()


def find_daemons(
    machines: Iterable[Machine],
    realms: Realms,
    addressing: Addressing,
    wiring: Wiring,
    routes: Mapping[Machine, Sequence[RoutePlan]],
    doubts: Doubts | None = None,
) -> dict[Machine, Daemons]:
    """Return what each router has that speaks a routing protocol.

    ``routes`` are those of static routing for all machines.  A router that speaks
    a protocol keeps the ones that do not lead to a neighbour of its own, and tells
    the others of them.  IPv4 and IPv6 have protocols of their own (OSPF and OSPFv3,
    RIP and RIPng), or sessions of their own (BGP), and know nothing of each other.
    Raises `TopologyError` where what several routers say does not go together: of one
    network that it lies in different OSPF areas, of one area that it is of several kinds.
    Passwords and timers that differ are told to ``doubts``.

    """
    routers = [
        machine
        for machine in machines
        if isinstance(machine, Router) and machine.routing in DYNAMIC
    ]
    if not routers:
        return {}
    doubts = doubts or Doubts(True)
    domains = [_Domain(routers, realms, addressing, wiring, family, doubts) for family in FAMILIES]
    _check_peers(routers, domains, doubts)
    found: dict[Machine, Daemons] = {
        router: _daemons(router, domains, routes[router]) for router in routers
    }
    for domain in domains:
        for router, (covered, withheld) in _unheard(domain).items():
            old = found[router]
            found[router] = dataclasses.replace(
                old, covered=old.covered + covered, withheld=old.withheld + withheld
            )
    return found


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
        text = bgp_settings(number, name, families, router.bgp_router, router.name)
        settings.append(BGP(text, from_lab=True))
    if intervals := {one for domain in domains for one in _bfd_intervals(domain, router)}:
        settings.append(BFD(bfd_settings(intervals), from_lab=True))
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
            if domain.hides(port) and not port.unnumbered
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


class _Domain:
    """All ports through which routers speak one version of IP, and who hears whom."""

    def __init__(
        self,
        routers: Sequence[Router],
        realms: Realms,
        addressing: Addressing,
        wiring: Wiring,
        family: int,
        doubts: Doubts,
    ) -> None:
        self.family = family
        self._router_ids = {
            router: choose_router_id(router, realms, addressing, wiring)
            for router in routers
            if router.links
        }
        self.ports: dict[Router, list[SpeakingPort]] = {}
        self.loopbacks = {
            router: [item for item in router.loopback if item.version == family]
            for router in routers
        }
        self._heard: dict[tuple[Segment, str], list[SpeakingPort]] = {}
        self.bgp_parts: dict[Router, BgpFamily] = {}
        self.told: dict[Router, list[Network]] = {}  # of routes that are not the protocol's
        for router in routers:
            ports = self.ports[router] = list(ports_of(router, realms, addressing, wiring, family))
            for port in ports:
                self._heard.setdefault((port.segment, str(router.routing)), []).append(port)
        self.areas = OspfAreas(self.ports, doubts)
        self.as_numbers = _as_numbers(routers)
        self._clients = {
            other for router in routers for other, said in router.bgp_peers.items() if said.client
        }

    def heard(self, port: SpeakingPort) -> list[SpeakingPort]:
        """Return the ports of others that speak the same on this port's network."""
        if port.router.routing == "rip" and port.network is None and self.family == 4:
            return []  # RFC 2453 section 3.9.2: answers must come from the same network
        if _is_passive(port):
            return []
        everybody = self._heard[port.segment, str(port.router.routing)]
        return [
            other
            for other in everybody
            if other.router is not port.router and not _is_passive(other)
        ]

    def cost(self, port: SpeakingPort, other: SpeakingPort | None) -> int:
        """Return what it costs to go out through a port, to another's or to its network."""
        if port.router.routing == "ospf":
            said = port.router.ospf_links.get(port.link)
            usual = OSPF_COST if port.link.tunnel is None else TUNNEL_COST
            return said.cost if said and said.cost else usual
        if other is None:
            return 0
        return 0 if port.router.routing == "bgp" and self._is_inner(port, other) else 1

    def _is_inner(self, port: SpeakingPort, other: SpeakingPort) -> bool:
        return self.as_numbers.get(port.router) == self.as_numbers.get(other.router)

    def inner(self, port: SpeakingPort) -> list[SpeakingPort]:
        """Return the ports that a BGP router hears of its own system."""
        return [other for other in self.heard(port) if self._is_inner(port, other)]

    def outer(self, port: SpeakingPort) -> list[SpeakingPort]:
        return [other for other in self.heard(port) if not self._is_inner(port, other)]

    def address(self, router: Router) -> Address:
        """Return the address that a router is known by, preferably one inside its system."""
        if own := self.loopbacks[router]:
            return own[0].ip
        ports = self.ports[router]
        inside = [port for port in ports if router.routing == "bgp" and self.inner(port)]
        numbered = [port for port in ports if not port.unnumbered]
        return (inside or numbered or ports)[0].address

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
        if (policy := router.redistribute_maps.get("kernel")) is not None:
            told = [network for network in told if policy.passes(network)]
        self.told[router] = told
        redistribute = self._redistributed(router, told)
        # A router that masquerades is the way out for all behind it.
        default = any(not network.prefixlen for network in told) or (
            self.family == 4 and bool(router.uplinks)
        )
        bgp = self._bgp(router, default, redistribute) if router.routing == "bgp" else None
        if bgp is not None:
            self.bgp_parts[router] = bgp
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
                    port.unnumbered,
                )
                for port in ports
                for other in self.heard(port)
            ),
            announced=tuple(self._announced(router, told)),
            bgp=bgp,
        )

    def _redistributed(self, router: Router, told: Iterable[Network]) -> tuple[Redistribution, ...]:
        """Return whose routes a router tells the others of, as FRR calls them."""
        if router.redistribute is None:
            # A router that has no such routes is none that leads out of OSPF's domain (an
            # AS boundary router, RFC 2328 section 3.3).
            leads_out = any(network.prefixlen for network in told)
            leads_out = leads_out or self._unnumbered(router)
            return (Redistribution("kernel"),) if leads_out else ()
        words, maps = _IPV6 if self.family == 6 else {}, router.redistribute_maps
        return tuple(
            Redistribution(words.get(word, word), maps.get(word)) for word in router.redistribute
        )

    def _unnumbered(self, router: Router) -> bool:
        """Tell whether OSPF takes a port for unnumbered: it says nothing of its addresses.

        The kernel's routes to them are told of instead.

        """
        return router.routing == "ospf" and any(port.network is None for port in self.ports[router])

    def hides(self, port: SpeakingPort) -> bool:
        """Tell whether a BGP router tells nobody of the network of one of its ports."""
        router = port.router
        if router.routing != "bgp":
            return False
        if port.unnumbered:
            return True
        if (announce := router.bgp_links.get(port.link)) is not None:
            return not announce
        return self._hidden_by_default(port) and bool(
            self.loopbacks[router]
            or any(
                other.router.bgp_links.get(other.link, not self._hidden_by_default(other))
                for other in self.ports[router]
            )
        )

    def _hidden_by_default(self, port: SpeakingPort) -> bool:
        """Tell whether a port's network is one that BGP is not usually told to announce.

        Nobody is on it but BGP routers, of several systems, and somebody has chosen its
        addresses.  Where the lab did, all that is in it is to reach all.

        """
        if port.unnumbered:
            return True
        if not numbered_by_hand(port.segment, self.family):
            return False
        there = {other.router for other in self._heard[port.segment, "bgp"]}
        return bool(self.outer(port)) and {end.node for end in port.segment.ends} == there

    def _protocol(self, router: Router) -> str:
        routing = str(router.routing)
        return _IPV6[routing] if self.family == 6 else routing

    def _gateway(self, port: SpeakingPort, other: SpeakingPort) -> Address:
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
        for own in self.loopbacks[router]:
            yield AnnouncementPlan(own.network, LOOPBACK, 0)
        for network in told:
            if network.prefixlen:
                yield AnnouncementPlan(network, None, 0)

    def _settings(
        self, router: Router, default: bool, redistribute: tuple[Redistribution, ...]
    ) -> Iterator[ServiceSettings]:
        if router.routing == "rip":
            rows = [RipPort(port.interface, not self.heard(port)) for port in self.ports[router]]
            own = [item.network for item in self.loopbacks[router]]
            if self.family == 4:
                rows += [RipPort(LOOPBACK, True)] if own else []
                yield RIP(rip_settings(rows, default, redistribute, router.name), from_lab=True)
            else:
                yield RIPng(
                    ripng_settings(rows, default, redistribute, own, router.name), from_lab=True
                )
        elif router.routing == "ospf":
            yield self._ospf(router, self._ospf_ports(router, self.heard), default, redistribute)
        elif len(self.system(router)) > 1:
            yield self._ospf(router, self._ospf_ports(router, self.inner), False, ())

    def _ospf(
        self,
        router: Router,
        ports: Iterable[OspfPort],
        default: bool,
        redistribute: tuple[Redistribution, ...],
    ) -> ServiceSettings:
        name, areas = self.router_id(router), self.areas.of(router)
        if self.family == 4:
            text = ospf_settings(name, ports, default, redistribute, areas, router.name)
            return OSPF(text, from_lab=True)
        text = ospf6_settings(name, ports, default, redistribute, areas, router.name)
        return OSPF6(text, from_lab=True)

    def _bgp(
        self, router: Router, default: bool, redistribute: tuple[Redistribution, ...]
    ) -> BgpFamily:
        told = (port.prefix for port in self.ports[router] if not self.hides(port))
        networks = dict.fromkeys(told)
        # Sessions inside a system are between these addresses, and bgpd takes from a session
        # no route to its other end: so each router tells of all of them, which it has by OSPF.
        for member in self.system(router):
            networks |= dict.fromkeys(own.network for own in self.loopbacks[member])
        peers = self._bgp_peers(router)
        return BgpFamily(self.family, tuple(networks), tuple(peers), default, redistribute)

    def _ospf_ports(
        self, router: Router, heard: Callable[[SpeakingPort], list[SpeakingPort]]
    ) -> Iterator[OspfPort]:
        for port in self.ports[router]:
            others = heard(port)
            yield OspfPort(
                port.interface,
                self.areas.area(port),
                self.cost(port, None) if router.routing == "ospf" else OSPF_COST,
                passive=not others,
                point_to_point=port.network is None or len(port.segment.ends) == 2,
                said=self.areas.said(port) if router.routing == "ospf" else OspfLink(),
                others=tuple(other.address for other in others),
            )
        if self.loopbacks[router]:
            area = self.loopback_area(router)
            yield OspfPort(LOOPBACK, area, 0, passive=True, point_to_point=False, local=True)

    def loopback_area(self, router: Router) -> str:
        """Return an area that it is in anyway: the backbone, or else that of its first link."""
        areas = [self.areas.area(port) for port in self.ports[router]]
        return BACKBONE if BACKBONE in areas else areas[0]

    def _bgp_peers(self, router: Router) -> Iterator[BgpPeer]:
        for other in self.system(router):
            if self.has_session(router, other):
                number, said = self.as_numbers[other], _peer_settings(router, other)
                yield BgpPeer(self.address(other), number, self.address(router), said=said)
        for port in self.ports[router]:
            for peer in self.outer(port):
                number, said = self.as_numbers[peer.router], _peer_settings(router, peer.router)
                apart = port.network is None and not port.unnumbered
                interface = port.interface if port.unnumbered else None
                yield BgpPeer(peer.address, number, None, not apart, said, interface)

    def has_session(self, one: Router, other: Router) -> bool:
        """Whether two routers of one system speak BGP: a client does so with its reflectors."""
        if one is other:
            return False
        if _peer_settings(one, other).client or _peer_settings(other, one).client:
            return True
        return not {one, other} & self._clients

    def peers(self, router: Router) -> set[Router]:
        """Return the routers that one speaks BGP with, or could."""
        near = {peer.router for port in self.ports[router] for peer in self.outer(port)}
        return near.union(self.system(router)) if self.ports[router] else near


def _bfd_intervals(domain: _Domain, router: Router) -> set[int]:
    """Return the intervals, in milliseconds, by which a router's neighbours are watched."""
    peers = domain.peers(router) if router.routing == "bgp" else set()
    found = {_peer_settings(router, other).bfd_ms for other in peers}
    if router.routing == "ospf":
        found |= {domain.areas.said(port).bfd_ms for port in domain.ports[router]}
    return {one for one in found if one is not None}


def _unheard(domain: _Domain) -> dict[Router, Heard]:
    """Return the networks that routers do not hear of as they are, where there are any."""
    told = list(_area_prefixes(domain))
    by_ospf = (router for router in domain.ports if router.routing == "ospf")
    found = {router: Heard(*domain.areas.hears(router, told)) for router in by_ospf}
    speakers = {
        router.name: _speaker(domain, router, part) for router, part in domain.bgp_parts.items()
    }
    if has_policies(speakers.values()):
        heard = what_is_heard(speakers, domain.family)
        found |= {router: heard[router.name] for router in domain.bgp_parts}
    return {router: its for router, its in found.items() if its.covered or its.withheld}


def _speaker(domain: _Domain, router: Router, part: BgpFamily) -> BgpSpeaker:
    others = {one: True for one in domain.system(router) if domain.has_session(router, one)}
    others |= {peer.router: False for port in domain.ports[router] for peer in domain.outer(port)}
    options = router.bgp_router
    return BgpSpeaker(
        domain.as_numbers[router],
        tuple(dict.fromkeys((*part.networks, *domain.told[router]))),
        tuple(
            PeerSide(other.name, inner, _peer_settings(router, other), part.default)
            for other, inner in others.items()
        ),
        tuple(one for one in options.aggregates if one.version == domain.family),
        options.summary_only,
        options.compare_med,
    )


def _area_prefixes(domain: _Domain) -> Iterator[AreaPrefix]:
    """Yield the networks that OSPF routers tell of, with their areas."""
    for router, ports in domain.ports.items():
        if router.routing != "ospf" or not ports:
            continue
        for port in ports:
            yield AreaPrefix(port.prefix, router, domain.areas.area(port))
        for own in domain.loopbacks[router]:
            yield AreaPrefix(own.network, router, domain.loopback_area(router))
        for network in domain.told.get(router, ()):
            yield AreaPrefix(network, router, None)


def _check_peers(routers: Iterable[Router], domains: Sequence[_Domain], doubts: Doubts) -> None:
    """Refuse what was said of routers that are no peers."""
    for router in routers:
        peers = {one for domain in domains for one in domain.peers(router)}
        for other, said in router.bgp_peers.items():
            back = other.bgp_peers.get(router) if isinstance(other, Router) else None
            if back and back.password and said.password and back.password != said.password:
                doubts.say(
                    f"router {router.name}: bgp_peer({other.name}) and the bgp_peer() of that one "
                    f"have different passwords, and no session will come about; say the same at "
                    f"both, or say it at one"
                )
            same = domains[0].as_numbers[router] == domains[0].as_numbers.get(other)  # type: ignore[call-overload]
            if other not in peers:
                where = "no link inside of their AS joins them" if same else "they share no link"
                raise TopologyError(
                    f"router {router.name}: bgp_peer() speaks of {other.name}, which is no peer of "
                    f"it, for {where}; link them, or leave it out"
                )
            if said.client and not same:
                raise TopologyError(
                    f"router {router.name}: bgp_peer({other.name}, client=True) makes it a route "
                    f"reflector, which is one inside of an AS (RFC 4456), and {other.name} is in "
                    f"another; leave client= out"
                )


# The protocol for IPv6 beside each protocol for IPv4; BGP does both.
_IPV6 = {"ospf": "ospf6", "rip": "ripng", "bgp": "bgp"}


def _as_numbers(routers: Iterable[Router]) -> dict[Router, int]:
    """Return the number of each BGP router's system; those without one get one each."""
    speakers = sorted(
        (router for router in routers if router.routing == "bgp"), key=lambda router: router.serial
    )
    taken = {router.as_number for router in speakers}
    free = (number for number in count(FIRST_PRIVATE_AS) if number not in taken)
    return {router: router.as_number or next(free) for router in speakers}


def _is_passive(port: SpeakingPort) -> bool:
    said = port.router.ospf_links.get(port.link)
    return said is not None and bool(said.passive)


def _peer_settings(router: Router, other: Router) -> PeerSettings:
    """Return what is said of a peer; what both need is said by one of the two."""
    own, its = (one.bgp_peers.get(peer, _PLAIN) for one, peer in ((router, other), (other, router)))
    if its is _PLAIN or (own.password, own.bfd_ms) == (its.password, its.bfd_ms):
        return own
    return dataclasses.replace(
        own,
        password=its.password if own.password is None else own.password,
        bfd_ms=its.bfd_ms if own.bfd_ms is None else own.bfd_ms,
    )


_PLAIN = PeerSettings()
