"""Systems of BGP: which routers are in one, whom each has sessions with, what it tells of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from playground.errors import TopologyError
from playground.model.addresses import Address, Network
from playground.model.routing.bgp import PeerSettings
from playground.model.topology import Machine, Router
from playground.planning.addresses.router_parts import Speaker, whole
from playground.planning.addresses.tolerated_faults import Doubts
from playground.planning.routing.domain import IGPS, Domain
from playground.planning.routing.frr_text import BgpPeer
from playground.planning.routing.ports import SpeakingPort, numbered_by_hand


class BgpSystems:
    """The systems of all routers of a domain of BGP.

    ``igps`` are the domains of other protocols, for the same version of IP.

    """

    def __init__(self, domain: Domain, igps: Sequence[Domain]) -> None:
        self.domain = domain
        self._igps = [one for one in igps if one.protocol in IGPS]
        self._found: dict[Speaker, list[Speaker]] = {}
        self._addresses: dict[Speaker, Address] = {}
        self._clients = {
            other
            for router in domain.ports
            for other, said in router.bgp_peers.items()
            if said.client
        }

    def of(self, router: Speaker) -> list[Speaker]:
        """Return the routers that share a router's system and are joined inside it, itself too."""
        if router in self._found:
            return self._found[router]
        domain, found = self.domain, [router]
        for one in found:
            near = [other.router for port in domain.ports[one] for other in domain.inner(port)]
            for igp in self._igps:
                if one in igp.ports:
                    near += (
                        other
                        for other in igp.component(one)
                        if domain.as_numbers.get(other) == domain.as_numbers[one]
                    )
            found += (other for other in dict.fromkeys(near) if other not in found)
        found.sort(key=lambda member: member.serial)
        self._found |= dict.fromkeys(found, found)
        return found

    def address(self, router: Speaker) -> Address:
        """Return the address that a router is known by, preferably one inside its system."""
        if router not in self._addresses:
            self._addresses[router] = self._choose_address(router)
        return self._addresses[router]

    def _choose_address(self, router: Speaker) -> Address:
        domain = self.domain
        if own := domain.loopbacks[router]:
            return own[0].ip
        ports = domain.ports[router]
        inside = [port for port in ports if domain.inner(port) or self._is_inside(port)]
        numbered = [port for port in ports if not port.unnumbered]
        return (inside or numbered or ports)[0].address

    def _is_inside(self, port: SpeakingPort) -> bool:
        """Tell whether a port leads to a neighbour by a protocol inside of its system."""
        return any(
            igp.heard(its)
            for igp in self._igps
            for its in igp.ports.get(port.router, ())
            if its.link is port.link and not self.domain.outer(port)
        )

    def hides(self, port: SpeakingPort) -> bool:
        """Tell whether a router tells nobody of the network of one of its ports."""
        domain, router = self.domain, port.router
        if port.unnumbered:
            return True
        if (announce := router.bgp_links.get(port.link)) is not None:
            return not announce
        return self._hidden_by_default(port) and bool(
            domain.loopbacks[router]
            or any(
                other.router.bgp_links.get(other.link, not self._hidden_by_default(other))
                for other in domain.ports[router]
            )
        )

    def _hidden_by_default(self, port: SpeakingPort) -> bool:
        """Tell whether a port's network is one that BGP is not usually told to announce.

        Nobody is on it but BGP routers, of several systems, and somebody has chosen its
        addresses.  Where the lab did, all that is in it is to reach all.

        """
        if port.unnumbered:
            return True
        if not numbered_by_hand(port.segment, self.domain.family):
            return False
        there = {other.router for other in self.domain.on_network(port)}
        outer = bool(self.domain.outer(port))
        return outer and {end.node for end in port.segment.ends} == {*map(whole, there)}

    def networks(self, router: Speaker) -> list[Network]:
        """Return the networks that a router tells of as its own."""
        domain = self.domain
        told = (port.prefix for port in domain.ports[router] if not self.hides(port))
        networks = dict.fromkeys(told)
        # Sessions inside a system are between these addresses, and bgpd takes from a session
        # no route to its other end: so each router tells of all of them, which it has by OSPF.
        for member in self.of(router):
            networks |= dict.fromkeys(own.network for own in domain.loopbacks[member])
        return list(networks)

    def bgp_peers(self, router: Speaker) -> Iterator[BgpPeer]:
        """Yield the sessions of a router: inside of its system, then with neighbours outside."""
        domain = self.domain
        for other in self.of(router):
            if self.has_session(router, other):
                number, said = domain.as_numbers[other], peer_settings(router, other)
                yield BgpPeer(self.address(other), number, self.address(router), said=said)
        for port in domain.ports[router]:
            for peer in domain.outer(port):
                number, said = domain.as_numbers[peer.router], peer_settings(router, peer.router)
                apart = port.network is None and not port.unnumbered
                interface = port.interface if port.unnumbered else None
                yield BgpPeer(peer.address, number, None, not apart, said, interface)

    def has_session(self, one: Speaker, other: Speaker) -> bool:
        """Whether two routers of one system speak BGP: a client does so with its reflectors."""
        if one is other or not self.domain.ports[other]:
            return False
        if peer_settings(one, other).client or peer_settings(other, one).client:
            return True
        return not {whole(one), whole(other)} & self._clients

    def component(self, router: Speaker) -> list[Speaker]:
        """Return all that a router is joined to by sessions, itself first."""
        found = {router: None}
        queue = [router]
        for one in queue:
            for other in self.peers(one):
                if other not in found:
                    found[other] = None
                    queue.append(other)
        return queue

    def peers(self, router: Speaker) -> set[Speaker]:
        """Return the routers that one speaks BGP with, or could."""
        domain = self.domain
        if not domain.ports.get(router):
            return set()
        near = {peer.router for port in domain.ports[router] for peer in domain.outer(port)}
        return near.union(self.of(router))


def peer_settings(router: Speaker, other: Speaker) -> PeerSettings:
    """Return what is said of a peer; what both need is said by one of the two."""
    own, its = (
        one.bgp_peers.get(whole(peer), _PLAIN) for one, peer in ((router, other), (other, router))
    )
    if its is _PLAIN or (own.password, own.bfd_ms) == (its.password, its.bfd_ms):
        return own
    return dataclasses.replace(
        own,
        password=its.password if own.password is None else own.password,
        bfd_ms=its.bfd_ms if own.bfd_ms is None else own.bfd_ms,
    )


_PLAIN = PeerSettings()


def _same_number(router: Router, other: Any, numbers: Mapping[Speaker, int]) -> bool:
    return router in numbers and numbers[router] == numbers.get(other)


def check_peers(speakers: Iterable[Speaker], systems: Sequence[BgpSystems], doubts: Doubts) -> None:
    """Refuse what was said of routers that are no peers."""
    together: dict[Machine, dict[object, bool]] = {}
    numbers = systems[0].domain.as_numbers
    for speaker in speakers:
        near = together.setdefault(whole(speaker), {})
        for one in {one for its in systems for one in its.peers(speaker)}:
            near[whole(one)] = numbers[speaker] == numbers[one] or near.get(whole(one), False)
    for router, peers in together.items():
        if not isinstance(router, Router):
            continue
        for other, said in router.bgp_peers.items():
            back = other.bgp_peers.get(router) if isinstance(other, Router) else None
            if back and back.password and said.password and back.password != said.password:
                doubts.say(
                    f"router {router.name}: bgp_peer({other.name}) and the bgp_peer() of that one "
                    f"have different passwords, and no session will come about; say the same at "
                    f"both, or say it at one"
                )
            same = peers.get(other, _same_number(router, other, numbers))
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
