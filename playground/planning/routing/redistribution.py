"""Redistribution: what each protocol of a router tells of that another has found.

Pure.  A router of several protocols hands networks on from one to the other, where the next such
router may hand them on again, until nothing more is heard.

"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from playground.model.addresses import Network, network_from
from playground.model.routing.policy import covers
from playground.model.routing.protocols import DEFAULT_ROUTE, Redistributed
from playground.planning.addresses.router_parts import Speaker
from playground.planning.addresses.tolerated_faults import Doubts
from playground.planning.routing.bgp_routes import Heard
from playground.planning.routing.domain import IGPS, Domain
from playground.planning.routing.frr_text import Redistribution

# What the routers of a domain hear of, by the router: all that has an entry misses something.
Joined = Callable[[Speaker], list[Speaker]]
Hearing = Callable[[], Mapping[Speaker, Heard]]


def said_of(router: Speaker, protocol: str) -> tuple[Redistributed, ...] | None:
    """Return what a protocol of a router was told to tell of; None where the lab chooses."""
    return None if router.redistribute is None else router.redistribute.get(protocol)


def default_sources(router: Speaker, protocol: str) -> tuple[str, ...]:
    """Return the other protocols of a router whose routes one tells of where nothing is said.

    BGP is told of networks by name (`inside_networks`): what another router of the system had by
    BGP would else come back as if it were of this system.

    """
    return () if protocol == "bgp" else tuple(one for one in router.protocols if one != protocol)


def rows(
    router: Speaker, domain: Domain, names: Mapping[str, str], kernel: bool
) -> tuple[Redistribution, ...]:
    """Return whose routes a router tells of by a domain's protocol, in FRR's words.

    ``names`` are FRR's for the other protocols; with ``kernel`` those of the kernel are among them
    where the lab chooses.

    """
    said = said_of(router, domain.protocol)
    if said is None:
        sources = [Redistribution("kernel")] if kernel else []
        others = default_sources(router, domain.protocol)
        return (*sources, *(Redistribution(names.get(one, one)) for one in others))
    return tuple(
        Redistribution(names.get(one.source, one.source), one.policy)
        for one in said
        if one.source != DEFAULT_ROUTE
    )


def inside_networks(router: Speaker, domain: Domain, others: Iterable[Domain]) -> list[Network]:
    """Return the networks inside of its system that a router names to BGP where nothing is said."""
    if domain.protocol != "bgp" or said_of(router, "bgp") is not None:
        return []
    found: dict[Network, None] = {}
    for igp in others:
        if igp.protocol in IGPS and igp.family == domain.family and router in igp.ports:
            for member in igp.component(router):
                told = (net for net in igp.told[member] if net.prefixlen)
                found |= dict.fromkeys((*igp.own_networks(member), *told))
    return list(found)


class Spread:
    """What all routers hear of, where some hand networks on from one protocol to another.

    ``joined`` gives, for each domain, all that a router is joined to by its protocol, ``hearing``
    what its routers miss of what is told in it.  ``learned`` of
    each domain becomes what its routers tell of because another protocol has found it.

    """

    def __init__(
        self, domains: Sequence[Domain], joined: Sequence[Joined], hearing: Sequence[Hearing]
    ) -> None:
        self._domains = domains
        self._hearing = hearing
        self._components: list[dict[Speaker, list[Speaker]]] = []
        for domain, component in zip(domains, joined, strict=True):
            parts: dict[Speaker, list[Speaker]] = {}
            for router in domain.ports:
                if router not in parts:
                    part = component(router)
                    parts |= dict.fromkeys(part, part)
            self._components.append(parts)
        several = dict.fromkeys(router for domain in domains for router in domain.ports)
        self._several = [router for router in several if len(router.protocols) > 1]
        if self._several:
            self._settle()

    def _settle(self) -> None:
        # Each turn adds a network somewhere, or is the last.
        changed = True
        while changed:
            changed = False
            whole = [self._whole(number) for number in range(len(self._domains))]
            for router in self._several:
                changed = self._hand_on(router, whole) or changed

    def _hand_on(self, router: Speaker, whole: Sequence[Callable[[Speaker], set[Network]]]) -> bool:
        changed = False
        for into, domain in enumerate(self._domains):
            if router not in domain.ports:
                continue
            known = domain.learned.setdefault(router, {})
            before = len(known)
            for source, other in enumerate(self._domains):
                if source == into or other.family != domain.family or router not in other.ports:
                    continue
                for passes in _filters(router, domain, other):
                    for network in whole[source](router):
                        if network.prefixlen and passes(network):
                            known[network] = None
            changed = changed or len(known) != before
        return changed

    def told(self, number: int, router: Speaker) -> dict[Network, None]:
        """Return all that a router tells of in a domain."""
        domain = self._domains[number]
        own = dict.fromkeys((*domain.own_networks(router), *domain.told[router]))
        return own | domain.learned.get(router, {})

    def _whole(self, number: int) -> Callable[[Speaker], set[Network]]:
        missed = self._hearing[number]()
        heard: dict[int, set[Network]] = {}

        def of(router: Speaker) -> set[Network]:
            part = self._components[number][router]
            if id(part) not in heard:
                heard[id(part)] = {net for one in part for net in self.told(number, one)}
            its = missed.get(router)
            return heard[id(part)].difference(() if its is None else (*its.covered, *its.withheld))

        return of

    def missed(self, family: int) -> dict[Speaker, Heard]:
        """Return what routers do not hear of as it is, by any of their protocols."""
        numbers = [n for n, domain in enumerate(self._domains) if domain.family == family]
        if not self._several:
            found: dict[Speaker, Heard] = {}
            for number in numbers:
                found |= self._hearing[number]()
            return found
        whole = {number: self._whole(number) for number in numbers}
        gone = {number: self._hearing[number]() for number in numbers}
        everything: dict[Speaker, dict[Network, None]] = {}
        routers = dict.fromkeys(r for n in numbers for r in self._domains[n].ports)
        for router in routers:
            if router in everything:
                continue
            joined = self._joined(router, numbers)
            told = {
                net: None
                for number in numbers
                for one in joined
                if one in self._domains[number].ports
                for net in self._own(number, one)
            }
            everything |= dict.fromkeys(joined, told)
        return {
            router: heard
            for router in routers
            if (heard := self._missed_by(router, numbers, whole, gone, everything[router]))
            and (heard.covered or heard.withheld)
        }

    def _own(self, number: int, router: Speaker) -> list[Network]:
        domain = self._domains[number]
        told = (net for net in domain.told[router] if net.prefixlen)
        return [*domain.own_networks(router), *told]

    def _joined(self, router: Speaker, numbers: Sequence[int]) -> list[Speaker]:
        """Return all that a router is joined to by neighbours of any protocol."""
        found = [router]
        for one in found:
            for number in numbers:
                part = self._components[number].get(one, ())
                found += (other for other in part if other not in found)
        return found

    def _missed_by(
        self,
        router: Speaker,
        numbers: Sequence[int],
        whole: Mapping[int, Callable[[Speaker], set[Network]]],
        gone: Mapping[int, Mapping[Speaker, Heard]],
        told: Iterable[Network],
    ) -> Heard:
        mine = [number for number in numbers if router in self._domains[number].ports]
        known = {net for number in mine for net in whole[number](router)}
        greater = [net for net in known if not net.prefixlen]
        greater += (
            net
            for number in mine
            for one in self._components[number][router]
            if one is not router and tells_default(one, self._domains[number])
            for net in [_everything(self._domains[number].family)]
        )
        parts = {net for n in mine if router in gone[n] for net in gone[n][router].covered}
        missing = [net for net in told if net not in known]
        covered = [
            net for net in missing if net in parts or any(covers(one, net) for one in greater)
        ]
        return Heard(tuple(covered), tuple(net for net in missing if net not in covered))


def tells_default(router: Speaker, domain: Domain) -> bool:
    """Tell whether a router tells of a default route by a domain's protocol."""
    said = said_of(router, domain.protocol) or ()
    if any(one.source == DEFAULT_ROUTE for one in said):
        return True
    # A router that masquerades is the way out for all behind it.
    return any(not network.prefixlen for network in domain.told[router]) or (
        domain.family == 4 and bool(router.uplinks)
    )


def _everything(family: int) -> Network:
    return network_from("0.0.0.0/0" if family == 4 else "::/0")


def _filters(router: Speaker, domain: Domain, other: Domain) -> list[Callable[[Network], bool]]:
    """Return by what a router hands on from one domain to another; nothing where it does not."""
    said = said_of(router, domain.protocol)
    if said is None:
        return [_all] if other.protocol in default_sources(router, domain.protocol) else []
    return [
        one.policy.passes if one.policy else _all for one in said if one.source == other.protocol
    ]


def _all(network: Network) -> bool:
    return True


def doubt_rings(domains: Sequence[Domain], doubts: Doubts) -> None:
    """Tell of two routers that would hand networks back and forth between the same protocols."""
    for number, one in enumerate(domains):
        for other in domains[number + 1 :]:
            if one.family != other.family or "bgp" in (one.protocol, other.protocol):
                continue
            both = [
                router
                for router in one.ports
                if router in other.ports
                and one.ports[router]
                and said_of(router, one.protocol) is None
                and said_of(router, other.protocol) is None
            ]
            for router in both:
                joined = [
                    second
                    for second in both
                    if second is not router
                    and second in one.component(router)
                    and second in other.component(router)
                ]
                if joined:
                    doubts.say(
                        f"routers {router.name} and {joined[0].name} both join {one.protocol} and "
                        f"{other.protocol}, and would hand each other back what they have heard of "
                        f"it, so that packets may run in a ring; say at each what it tells of, "
                        f'as in Router("{router.name}", redistribute={{"{one.protocol}": '
                        f'["{other.protocol}"], "{other.protocol}": ["default"]}})'
                    )
                    return
