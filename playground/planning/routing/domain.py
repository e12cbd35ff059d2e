"""Domains: the routers that speak one protocol for one version of IP, and who hears whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from itertools import count

from playground.model.addresses import Address, Network
from playground.model.routing.isis import ISIS_METRIC, IsisLink
from playground.model.routing.ospf import BACKBONE, OSPF_COST, TUNNEL_COST, OspfLink
from playground.model.routing.protocols import FIRST_PRIVATE_AS
from playground.planning.addresses.addressing import Addressing
from playground.planning.addresses.nat_realms import Realms
from playground.planning.addresses.router_parts import Speaker
from playground.planning.addresses.segments import Segment
from playground.planning.addresses.tolerated_faults import Doubts
from playground.planning.interface_names import Wiring
from playground.planning.plan_parts import NeighbourPlan
from playground.planning.routing.isis_levels import IsisLevels
from playground.planning.routing.ospf_areas import OspfAreas
from playground.planning.routing.ports import SpeakingPort, choose_router_id, ports_of

# Those that find the ways inside of a system.
IGPS = ("ospf", "isis", "rip")
# What FRR calls the protocol for IPv6 beside each for IPv4; BGP and IS-IS do both.
IPV6_NAMES = {"ospf": "ospf6", "rip": "ripng"}


class Domain:
    """All ports through which routers speak ``protocol`` for the IP of ``family``.

    ``told`` are the networks, of static routes, that each tells of; ``learned`` those that another
    protocol of the same router has found.

    """

    def __init__(
        self,
        protocol: str,
        family: int,
        routers: Sequence[Speaker],
        realms: Realms,
        addressing: Addressing,
        wiring: Wiring,
        doubts: Doubts,
    ) -> None:
        self.protocol = protocol
        self.family = family
        self._router_ids = {
            router: choose_router_id(router, realms, addressing, wiring)
            for router in routers
            if router.links
        }
        self.ports: dict[Speaker, list[SpeakingPort]] = {}
        self.loopbacks = {
            router: [item for item in router.loopback if item.version == family]
            for router in routers
        }
        self._on: dict[Segment, list[SpeakingPort]] = {}
        # By id: to hash a port, all that it holds is hashed.
        self._heard: dict[int, list[SpeakingPort]] = {}
        self.told: dict[Speaker, list[Network]] = {router: [] for router in routers}
        self.learned: dict[Speaker, dict[Network, None]] = {}
        for router in routers:
            ports = self.ports[router] = list(
                ports_of(router, realms, addressing, wiring, family, protocol == "bgp")
            )
            for port in ports:
                self._on.setdefault(port.segment, []).append(port)
        self.areas = OspfAreas(self.ports if protocol == "ospf" else {}, doubts)
        self.levels = IsisLevels(self.ports if protocol == "isis" else {}, doubts)
        self.as_numbers = as_numbers(routers) if protocol == "bgp" else {}

    @property
    def name(self) -> str:
        """What FRR calls the protocol."""
        return IPV6_NAMES.get(self.protocol, self.protocol) if self.family == 6 else self.protocol

    def on_network(self, port: SpeakingPort) -> list[SpeakingPort]:
        """Return all ports on a port's network, its own too."""
        return self._on[port.segment]

    def heard(self, port: SpeakingPort) -> list[SpeakingPort]:
        """Return the ports of others that speak the same on this port's network."""
        if id(port) not in self._heard:
            self._heard[id(port)] = self._hear(port)
        return self._heard[id(port)]

    def _hear(self, port: SpeakingPort) -> list[SpeakingPort]:
        if port.network is None and self.family == 4 and self.protocol in ("rip", "isis"):
            # RFC 2453 section 3.9.2: answers must come from the same network; and so must
            # greetings for isisd (FRR 10.3).
            return []
        if self._is_passive(port):
            return []
        return [
            other
            for other in self._on[port.segment]
            if other.router is not port.router and not self._is_passive(other)
        ]

    def _is_passive(self, port: SpeakingPort) -> bool:
        said: OspfLink | IsisLink | None = None
        if self.protocol == "ospf":
            said = port.router.ospf_links.get(port.link)
        elif self.protocol == "isis":
            said = port.router.isis_links.get(port.link)
        return said is not None and bool(said.passive)

    def cost(self, port: SpeakingPort, other: SpeakingPort | None) -> int:
        """Return what it costs to go out through a port, to another's or to its network."""
        if self.protocol == "ospf":
            said = port.router.ospf_links.get(port.link)
            usual = OSPF_COST if port.link.tunnel is None else TUNNEL_COST
            return said.cost if said and said.cost else usual
        if self.protocol == "isis":
            metric = port.router.isis_links.get(port.link, IsisLink()).metric
            return metric or (ISIS_METRIC if port.link.tunnel is None else TUNNEL_COST)
        if other is None:
            return 0
        return 0 if self.protocol == "bgp" and self.is_inner(port, other) else 1

    def is_inner(self, port: SpeakingPort, other: SpeakingPort) -> bool:
        """Tell whether two ports of BGP routers are of one system."""
        return self.as_numbers.get(port.router) == self.as_numbers.get(other.router)

    def inner(self, port: SpeakingPort) -> list[SpeakingPort]:
        """Return the ports that a BGP router hears of its own system."""
        return [other for other in self.heard(port) if self.is_inner(port, other)]

    def outer(self, port: SpeakingPort) -> list[SpeakingPort]:
        """Return the ports that a BGP router hears of other systems."""
        return [other for other in self.heard(port) if not self.is_inner(port, other)]

    def component(self, router: Speaker) -> list[Speaker]:
        """Return all that a router is joined to by neighbours of this protocol, itself first."""
        found = {router: None}
        queue = [router]
        for one in queue:
            for port in self.ports[one]:
                for other in self.heard(port):
                    if other.router not in found:
                        found[other.router] = None
                        queue.append(other.router)
        return queue

    def router_id(self, router: Speaker) -> IPv4Address:
        """Return a number of 32 bits of a router's own, an address of IPv4 where it has one."""
        return self._router_ids[router]

    def loopback_area(self, router: Speaker) -> str:
        """Return an OSPF area that it is in: the backbone, or else that of its first link."""
        areas = [self.areas.area(port) for port in self.ports[router]]
        return BACKBONE if BACKBONE in areas else areas[0]

    def own_networks(self, router: Speaker) -> list[Network]:
        """Return the networks that a router is on itself."""
        own = [item.network for item in self.loopbacks[router]]
        return [*(port.prefix for port in self.ports[router]), *own] if self.ports[router] else []

    def neighbours(self, router: Speaker) -> Iterator[NeighbourPlan]:
        """Yield the neighbours that a router should have by this protocol."""
        for port in self.ports[router]:
            for other in self.heard(port):
                yield NeighbourPlan(
                    self.name,
                    port.interface,
                    other.router.name,
                    other.interface,
                    self._gateway(port, other),
                    self.cost(port, other),
                    port.unnumbered,
                )

    def _gateway(self, port: SpeakingPort, other: SpeakingPort) -> Address:
        """Return the address that routes through a neighbour's port lead to."""
        # Link-local next hops: RFC 5340 section 4.8.2, RFC 2080 section 2.1, RFC 5308 section 2;
        # bgpd gives a neighbour that shares a subnet its link-local one, and others their own.
        if self.family == 4:
            return other.address
        apart = port.network is None and not self.is_inner(port, other)
        return other.address if self.protocol == "bgp" and apart else other.link_local


def as_numbers(routers: Sequence[Speaker]) -> dict[Speaker, int]:
    """Return the number of each BGP router's system; those without one get one each."""
    speakers = sorted(
        (router for router in routers if "bgp" in router.protocols),
        key=lambda router: router.serial,
    )
    taken = {router.as_number for router in speakers}
    free = (number for number in count(FIRST_PRIVATE_AS) if number not in taken)
    return {router: router.as_number or next(free) for router in speakers}
