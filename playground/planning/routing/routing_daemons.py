"""Routing daemons: whom each speaks to, what it tells, which routes stay static.

Pure functions from the declared routers, with the addresses and the static routes
that the plan has for them; `routing.frr_text` and `routing.isis_text` make text of it.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from playground.model.addresses import Address, Network
from playground.model.records import dataclass
from playground.model.routing.ospf import OSPF_COST
from playground.model.routing.protocols import DYNAMIC
from playground.model.services.frr import BFD, BGP, ISIS, OSPF, OSPF6, RIP, RIPng, RoutingDaemon
from playground.model.services.settings import ServiceSettings
from playground.model.services.table import SERVICES
from playground.model.topology import Link, Machine, Router
from playground.planning.addresses.addressing import FAMILIES, Addressing
from playground.planning.addresses.nat_realms import Realms
from playground.planning.addresses.router_parts import (
    RouterPart,
    Speaker,
    label,
    whole,
    with_parts,
)
from playground.planning.addresses.tolerated_faults import Doubts
from playground.planning.interface_names import Wiring
from playground.planning.plan_parts import (
    LOOPBACK,
    MAIN_TABLE,
    AnnouncementPlan,
    NeighbourPlan,
    RoutePlan,
)
from playground.planning.routing.bgp_routes import (
    BgpSpeaker,
    Heard,
    PeerSide,
    has_policies,
    what_is_heard,
)
from playground.planning.routing.bgp_systems import BgpSystems, check_peers, peer_settings
from playground.planning.routing.domain import IGPS, IPV6_NAMES, Domain
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
from playground.planning.routing.isis_levels import network_entity_title
from playground.planning.routing.isis_text import IsisFamily, IsisPort, isis_settings
from playground.planning.routing.ospf_areas import AreaPrefix
from playground.planning.routing.ports import SpeakingPort
from playground.planning.routing.redistribution import (
    Spread,
    doubt_rings,
    inside_networks,
    rows,
    said_of,
    tells_default,
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
    vrf_as_numbers: tuple[tuple[str, int], ...] = ()


def find_domains(
    machines: Iterable[Machine],
    realms: Realms,
    addressing: Addressing,
    wiring: Wiring,
    doubts: Doubts | None = None,
) -> list[Domain]:
    """Return a domain for each protocol that a router speaks, and each version of IP.

    Raises `TopologyError` where what several routers say does not go together: of one
    network that it lies in different OSPF areas, of one area that it is of several kinds.
    Passwords and timers that differ are told to ``doubts``.

    """
    routers = _speakers(machines)
    doubts = doubts or Doubts(True)
    return [
        Domain(protocol, family, those, realms, addressing, wiring, doubts)
        for protocol in DYNAMIC
        if (those := [router for router in routers if protocol in router.protocols])
        for family in FAMILIES
    ]


def _speakers(machines: Iterable[Machine]) -> list[Speaker]:
    return [
        machine
        for machine in with_parts(machines)
        if isinstance(machine, (Router, RouterPart)) and machine.protocols
    ]


def next_hops(domains: Iterable[Domain]) -> dict[Speaker, set[tuple[str, Address]]]:
    """Return the neighbours that each router hears, as interfaces and gateways of routes."""
    found: dict[Speaker, set[tuple[str, Address]]] = {}
    for domain in domains:
        for router, ports in domain.ports.items():
            found.setdefault(router, set()).update(
                (port.interface, other.address) for port in ports for other in domain.heard(port)
            )
    return found


def find_daemons(
    machines: Iterable[Machine],
    domains: Sequence[Domain],
    routes: Mapping[Machine, Sequence[RoutePlan]],
    doubts: Doubts | None = None,
) -> dict[Machine, Daemons]:
    """Return what each router has that speaks a routing protocol.

    ``domains`` are those of `find_domains`, ``routes`` those of static routing for all machines.
    A router that speaks
    a protocol keeps the ones that do not lead to a neighbour of its own, and tells
    the others of them.  IPv4 and IPv6 have protocols of their own (OSPF and OSPFv3,
    RIP and RIPng), or sessions of their own (BGP), and know nothing of each other.
    Raises `TopologyError` where sessions of BGP do not go together.

    """
    routers = _speakers(machines)
    doubts = doubts or Doubts(True)
    doubt_rings(domains, doubts)
    systems = {domain: _systems(domain, domains) for domain in domains if domain.protocol == "bgp"}
    if systems:
        speakers = [router for router in routers if "bgp" in router.protocols]
        check_peers(speakers, list(systems.values()), doubts)
    heard = next_hops(domains)
    kept = {
        router: _kept(router, domains, heard[router], _own(routes[whole(router)], router))
        for router in routers
    }
    for domain in systems:
        for router in domain.ports:
            if inside := inside_networks(router, domain, domains):
                domain.learned[router] = dict.fromkeys(inside)
    spread = Spread(
        domains,
        [systems[one].component if one in systems else one.component for one in domains],
        [_hearing(one, systems) for one in domains],
    )
    bridged = any(isinstance(one, Router) and one.vnis for its in systems for one in its.ports)
    found: dict[Speaker, Daemons] = {
        router: _Speaker(router, domains, systems, bridged).daemons(kept[router])
        for router in routers
    }
    for family in FAMILIES:
        for router, (covered, withheld) in spread.missed(family).items():
            old = found[router]
            found[router] = dataclasses.replace(
                old, covered=old.covered + covered, withheld=old.withheld + withheld
            )
    return {
        router: _together(router, found, routes[router])
        for router in dict.fromkeys(map(whole, routers))
        if isinstance(router, Router)
    }


def _own(routes: Sequence[RoutePlan], speaker: Speaker) -> list[RoutePlan]:
    """Return the routes of a router's main table, or of that of one of its VRFs."""
    table = speaker.vrf.table if isinstance(speaker, RouterPart) else MAIN_TABLE
    return [route for route in routes if route.table == table]


def _together(
    router: Router, found: Mapping[Speaker, Daemons], routes: Sequence[RoutePlan]
) -> Daemons:
    """Return what a router has in all of its tables: one daemon speaks a protocol in all."""
    parts: list[Speaker] = list(with_parts([router]))
    if len(parts) == 1:
        return found[router]
    speaking = [found[part] for part in parts if part in found]
    texts: dict[type[ServiceSettings], str] = {}
    for item in (item for one in speaking for item in one.settings):
        own = item.configuration if isinstance(item, RoutingDaemon) else ""
        texts[type(item)] = texts.get(type(item), "") + own
    return Daemons(
        tuple(kind(text, from_lab=True) for kind, text in texts.items()),  # type: ignore[call-arg]
        tuple(peer for one in speaking for peer in one.neighbours),
        tuple(item for one in speaking for item in one.announced),
        tuple(
            route
            for part in parts
            for route in (found[part].routes if part in found else _own(routes, part))
        ),
        tuple(item for one in speaking for item in one.hidden),
        found[router].as_number if router in found else None,
        tuple(item for one in speaking for item in one.covered),
        tuple(item for one in speaking for item in one.withheld),
        tuple(
            (part.vrf.name, number)
            for part in parts
            if isinstance(part, RouterPart)
            and part in found
            and (number := found[part].as_number) is not None
        ),
    )


def _vrf_of(speaker: Speaker) -> str | None:
    return speaker.vrf.name if isinstance(speaker, RouterPart) else None


def _systems(domain: Domain, domains: Sequence[Domain]) -> BgpSystems:
    return BgpSystems(domain, [one for one in domains if one.family == domain.family])


def _kept(
    router: Speaker,
    domains: Sequence[Domain],
    heard: Collection[tuple[str, Address]],
    routes: Sequence[RoutePlan],
) -> tuple[RoutePlan, ...]:
    """Return the static routes that a router keeps; each domain learns which it tells of."""
    found: list[RoutePlan] = []
    for family in FAMILIES:
        mine = [one for one in domains if one.family == family and router in one.ports]
        kept = [
            route
            for route in routes
            if route.destination.version == family and (route.interface, route.via) not in heard
        ]
        found += kept
        # What leaks from another VRF leads by that one's interface.
        others = whole(router).vrfs
        led = [
            route.destination
            for route in kept
            if route.via is not None or route.interface in others
        ]
        for domain in mine:
            if domain.ports[router]:
                domain.told[router] = _told(router, domain, led)
    return tuple(found)


def _told(router: Speaker, domain: Domain, led: Sequence[Network]) -> list[Network]:
    """Return the networks, of those that static routes lead to, that a router tells of."""
    said = said_of(router, domain.protocol)
    if said is None:
        return list(led)
    for one in said:
        if one.source == "kernel":
            return [net for net in led if one.policy is None or one.policy.passes(net)]
    return []


class _Speaker:
    """A router, in the domains of the protocols that it speaks."""

    def __init__(
        self,
        router: Speaker,
        domains: Sequence[Domain],
        systems: Mapping[Domain, BgpSystems],
        bridged: bool,
    ) -> None:
        self.router = router
        self._bridged = bridged
        self.domains = [one for one in domains if one.ports.get(router)]
        self._systems = systems
        self._bgp = [systems[one] for one in self.domains if one in systems]

    def daemons(self, kept: tuple[RoutePlan, ...]) -> Daemons:
        router = self.router
        settings = [item for domain in self.domains for item in self._settings(domain)]
        settings += self._isis()
        settings += self._bgp_settings()
        if intervals := set(self._bfd_intervals()):
            settings.append(BFD(bfd_settings(intervals), from_lab=True))
        waiting = [SERVICES[one].settings() for one in router.protocols] if not settings else []
        announced = {
            (item.network, item.interface): item
            for domain in self.domains
            for item in self._announced(domain)
        }
        return Daemons(
            # A daemon without a network to speak on runs all the same, and waits for one.
            (*settings, *waiting),
            tuple(peer for domain in self.domains for peer in domain.neighbours(router)),
            tuple(announced.values()),
            kept,
            tuple(
                (port.link, its.domain.family)
                for its in self._bgp
                if len(router.protocols) == 1
                for port in its.domain.ports[router]
                if its.hides(port) and not port.unnumbered
            ),
            self._bgp[0].domain.as_numbers[router] if self._bgp else self._as_number(),
        )

    def _as_number(self) -> int | None:
        numbers = (domain.as_numbers.get(self.router) for domain in self._systems)
        return next((one for one in numbers if one is not None), None)

    def _rows(self, domain: Domain) -> tuple[Redistribution, ...]:
        """Return whose routes the router tells the others of, as FRR calls them."""
        # A router that has no such routes is none that leads out of OSPF's domain (an
        # AS boundary router, RFC 2328 section 3.3).
        leads_out = any(network.prefixlen for network in domain.told[self.router])
        # OSPF takes such a port for unnumbered and says nothing of its addresses: the kernel's
        # routes to them are told of instead.
        leads_out = leads_out or (
            domain.protocol == "ospf"
            and any(port.network is None for port in domain.ports[self.router])
        )
        return rows(self.router, domain, IPV6_NAMES if domain.family == 6 else {}, leads_out)

    def _announced(self, domain: Domain) -> Iterator[AnnouncementPlan]:
        its = self._systems.get(domain)
        for port in domain.ports[self.router]:
            if its is None or not its.hides(port):
                yield AnnouncementPlan(port.prefix, port.interface, domain.cost(port, None))
        for own in domain.loopbacks[self.router]:
            yield AnnouncementPlan(own.network, LOOPBACK, 0)
        for network in domain.told[self.router]:
            if network.prefixlen:
                yield AnnouncementPlan(network, None, 0, _vrf_of(self.router))

    def _settings(self, domain: Domain) -> Iterator[ServiceSettings]:
        router = self.router
        if domain.protocol == "rip":
            yield _rip(router, domain, self._rows(domain))
        elif domain.protocol == "ospf":
            ports = _ospf_ports(router, domain, domain.heard)
            yield _ospf(router, domain, ports, tells_default(router, domain), self._rows(domain))
        elif not {*router.protocols} & {*IGPS} and len(self._systems[domain].of(router)) > 1:
            # Routers of one system find each other by OSPF, where they speak nothing else.
            yield _ospf(router, domain, _ospf_ports(router, domain, domain.inner), False, ())

    def _isis(self) -> Iterator[ServiceSettings]:
        spoken = [one for one in self.domains if one.protocol == "isis"]
        if not spoken:
            return
        router, options = self.router, self.router.isis_router
        families = [
            IsisFamily(
                domain.family,
                tuple(_isis_ports(router, domain)),
                tells_default(router, domain),
                self._rows(domain),
            )
            for domain in spoken
        ]
        title = network_entity_title(options.area, spoken[0].router_id(router))
        password = options.password or spoken[0].levels.password
        yield ISIS(isis_settings(title, options, families, password, router.name), from_lab=True)

    def _bgp_settings(self) -> Iterator[ServiceSettings]:
        if not self._bgp:
            return
        # One daemon has one number and one name in both families.
        router, first = self.router, self._bgp[0].domain
        families = [self._bgp_family(its) for its in self._bgp]
        number, name = first.as_numbers[router], first.router_id(router)
        text = bgp_settings(
            number,
            name,
            families,
            router.bgp_router,
            router.name,
            _vrf_of(router),
            self._evpn(families),
        )
        yield BGP(text, from_lab=True)

    def _evpn(self, families: Sequence[BgpFamily]) -> list[BgpPeer] | None:
        """Return by which sessions it hands on MAC addresses: all, where any router has some.

        Not those in VRFs, whose customers have nothing to do with it.

        """
        domains = list(self._systems)
        if isinstance(self.router, RouterPart) or not self._bridged:
            return None
        apart = {
            port.address
            for domain in domains
            for part, ports in domain.ports.items()
            if isinstance(part, RouterPart)
            for port in ports
        }
        peers = {peer.name: peer for family in families for peer in family.peers}
        return [peer for peer in peers.values() if peer.address not in apart]

    def _bgp_family(self, its: BgpSystems) -> BgpFamily:
        router, domain = self.router, its.domain
        networks = {**dict.fromkeys(its.networks(router))}
        networks |= dict.fromkeys(inside_networks(router, domain, self.domains))
        return BgpFamily(
            domain.family,
            tuple(networks),
            tuple(its.bgp_peers(router)),
            tells_default(router, domain),
            self._rows(domain),
        )

    def _bfd_intervals(self) -> Iterator[int]:
        """Yield the intervals, in milliseconds, by which the router's neighbours are watched."""
        said = [
            peer_settings(self.router, other).bfd_ms
            for one in self._bgp
            for other in one.peers(self.router)
        ]
        for domain in self.domains:
            for port in domain.ports[self.router]:
                if domain.protocol == "ospf":
                    said.append(domain.areas.said(port).bfd_ms)
                elif domain.protocol == "isis":
                    said.append(domain.levels.said(port).bfd_ms)
        yield from (one for one in said if one is not None)


def _rip(
    router: Speaker, domain: Domain, redistribute: tuple[Redistribution, ...]
) -> ServiceSettings:
    ports = [RipPort(port.interface, not domain.heard(port)) for port in domain.ports[router]]
    own = [item.network for item in domain.loopbacks[router]]
    default = tells_default(router, domain)
    if domain.family == 4:
        ports += [RipPort(LOOPBACK, True)] if own else []
        return RIP(rip_settings(ports, default, redistribute, router.name), from_lab=True)
    return RIPng(ripng_settings(ports, default, redistribute, own, router.name), from_lab=True)


def _ospf(
    router: Speaker,
    domain: Domain,
    ports: Iterable[OspfPort],
    default: bool,
    redistribute: tuple[Redistribution, ...],
) -> ServiceSettings:
    name, areas = domain.router_id(router), domain.areas.of(router)
    if domain.family == 4:
        text = ospf_settings(
            name, ports, default, redistribute, areas, router.name, _vrf_of(router)
        )
        return OSPF(text, from_lab=True)
    text = ospf6_settings(name, ports, default, redistribute, areas, router.name, _vrf_of(router))
    return OSPF6(text, from_lab=True)


def _ospf_ports(
    router: Speaker, domain: Domain, heard: Callable[[SpeakingPort], list[SpeakingPort]]
) -> Iterator[OspfPort]:
    for port in domain.ports[router]:
        others = heard(port)
        yield OspfPort(
            port.interface,
            domain.areas.area(port),
            domain.cost(port, None) if domain.protocol == "ospf" else OSPF_COST,
            passive=not others,
            point_to_point=port.network is None or len(port.segment.ends) == 2,
            said=domain.areas.said(port),
            others=tuple(other.address for other in others),
        )
    if domain.loopbacks[router]:
        area = domain.loopback_area(router)
        yield OspfPort(LOOPBACK, area, 0, passive=True, point_to_point=False, local=True)


def _isis_ports(router: Speaker, domain: Domain) -> Iterator[IsisPort]:
    levels = domain.levels
    for port in domain.ports[router]:
        yield IsisPort(
            port.interface,
            levels.level(port),
            domain.cost(port, None),
            passive=not domain.heard(port),
            point_to_point=port.network is None or len(port.segment.ends) == 2,
            said=levels.said(port),
        )
    if domain.loopbacks[router]:
        level = router.isis_router.level
        yield IsisPort(LOOPBACK, level, 0, passive=True, point_to_point=False, local=True)


# -- what is heard -----------------------------------------------------------


def _hearing(
    domain: Domain, systems: Mapping[Domain, BgpSystems]
) -> Callable[[], Mapping[Speaker, Heard]]:
    """Return a function that says which networks routers of a domain do not hear of as they are."""
    if domain.protocol == "ospf":
        return lambda: _unheard_by_ospf(domain)
    if domain.protocol == "isis":
        return lambda: _unheard_by_isis(domain)
    if domain.protocol == "bgp":
        return lambda: _unheard_by_bgp(systems[domain])
    return dict


def _unheard_by_ospf(domain: Domain) -> dict[Speaker, Heard]:
    told = list(_area_prefixes(domain))
    found = {router: Heard(*domain.areas.hears(router, told)) for router in domain.ports}
    return {router: its for router, its in found.items() if its.covered or its.withheld}


def _area_prefixes(domain: Domain) -> Iterator[AreaPrefix]:
    """Yield the networks that OSPF routers tell of, with their areas."""
    for router, ports in domain.ports.items():
        if not ports:
            continue
        for port in ports:
            yield AreaPrefix(port.prefix, router, domain.areas.area(port))
        for own in domain.loopbacks[router]:
            yield AreaPrefix(own.network, router, domain.loopback_area(router))
        for network in (*domain.told[router], *domain.learned.get(router, ())):
            yield AreaPrefix(network, router, None)


def _unheard_by_isis(domain: Domain) -> dict[Speaker, Heard]:
    told = [
        (network, router)
        for router in domain.ports
        for network in (
            *domain.own_networks(router),
            *domain.told[router],
            *domain.learned.get(router, ()),
        )
    ]
    found = {router: Heard(*domain.levels.hears(router, told)) for router in domain.ports}
    return {router: its for router, its in found.items() if its.covered or its.withheld}


def _unheard_by_bgp(its: BgpSystems) -> dict[Speaker, Heard]:
    domain = its.domain
    speakers = {
        label(router): _bgp_speaker(its, router) for router, ports in domain.ports.items() if ports
    }
    if not has_policies(speakers.values()):
        return {}
    heard = what_is_heard(speakers, domain.family)
    found = {router: heard[label(router)] for router in domain.ports if label(router) in heard}
    return {router: its for router, its in found.items() if its.covered or its.withheld}


def _bgp_speaker(its: BgpSystems, router: Speaker) -> BgpSpeaker:
    domain, options = its.domain, router.bgp_router
    others = {one: True for one in its.of(router) if its.has_session(router, one)}
    others |= {peer.router: False for port in domain.ports[router] for peer in domain.outer(port)}
    default = tells_default(router, domain)
    networks = (
        *its.networks(router),
        *domain.told[router],
        *domain.learned.get(router, ()),
    )
    return BgpSpeaker(
        domain.as_numbers[router],
        tuple(dict.fromkeys(networks)),
        tuple(
            PeerSide(label(other), inner, peer_settings(router, other), default)
            for other, inner in others.items()
        ),
        tuple(one for one in options.aggregates if one.version == domain.family),
        options.summary_only,
        options.compare_med,
    )
