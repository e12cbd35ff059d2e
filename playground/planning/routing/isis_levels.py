"""Levels and areas of IS-IS: who becomes whose neighbour, and what a router hears of another.

Pure functions from what routers were told of their links and of themselves.

"""

# ISO 10589: section 8.2.4 has who becomes neighbours, 7.2.9.2 the way out of an area; RFC 1195.

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address

from playground.errors import TopologyError
from playground.model.addresses import Network
from playground.model.routing.isis import IsisLink
from playground.planning.addresses.router_parts import Speaker
from playground.planning.addresses.segments import Segment
from playground.planning.addresses.tolerated_faults import Doubts
from playground.planning.routing.ports import SpeakingPort
from playground.planning.routing.shared_settings import agreed, completed

# What all on a network must say alike, so that it is enough that one of them does.
_SHARED = ("network", "password", "bfd_ms")


class IsisLevels:
    """The levels of all routers that speak IS-IS, for one version of IP.

    Raises `TopologyError` for a link at a level that its router has no part in; settings that
    differ, and neighbours without a common level, are told to ``doubts``.

    """

    def __init__(self, ports: Mapping[Speaker, Sequence[SpeakingPort]], doubts: Doubts) -> None:
        self._shared: dict[Segment, IsisLink] = {}
        self._routers = [router for router, own in ports.items() if own]
        everything = [port for own in ports.values() for port in own]
        for port in everything:
            self._say(port, doubts)
        self.password = self._domain_password(doubts)
        there: dict[Segment, list[SpeakingPort]] = {}
        for port in everything:
            for other in there.setdefault(port.segment, []):
                if other.router is not port.router and not self.shared(port, other):
                    doubts.say(_no_level(port.router, other.router, port.segment))
            there[port.segment].append(port)

    def _say(self, port: SpeakingPort, doubts: Doubts) -> None:
        name, said = port.router.name, port.router.isis_links.get(port.link, IsisLink())
        if not self.level(port):
            raise TopologyError(
                f"router {name}: isis() says level {said.level} of {port.segment.name}, and the "
                f"router is of level {port.router.isis_router.level} alone; say another, or "
                f'{name}.isis_options(level="1-2")'
            )
        known = self._shared.get(port.segment, IsisLink())
        self._shared[port.segment] = agreed(known, said, _SHARED, port, doubts)

    def _domain_password(self, doubts: Doubts) -> str | None:
        said = {one.isis_router.password: one.name for one in self._routers}
        said.pop(None, None)
        if len(said) > 1:
            doubts.say(
                f"routers {' and '.join(said.values())} have different passwords of IS-IS, and "
                f"will not believe each other; say the same of both, or say it of one"
            )
        return next(iter(said), None)

    def said(self, port: SpeakingPort) -> IsisLink:
        """Return what a router is told of one of its links, by itself or by others there."""
        own = port.router.isis_links.get(port.link) or IsisLink()
        shared = self._shared.get(port.segment, IsisLink())
        return completed(own, shared, _SHARED)

    def level(self, port: SpeakingPort) -> str:
        """Return the levels at which a router speaks on a port, "" for none."""
        said = port.router.isis_links.get(port.link, IsisLink()).level or "1-2"
        both = {*said.split("-")} & {*port.router.isis_router.level.split("-")}
        return "-".join(sorted(both))

    def shared(self, port: SpeakingPort, other: SpeakingPort) -> bool:
        """Tell whether two routers on a network become neighbours at one level or both."""
        both = {*self.level(port).split("-")} & {*self.level(other).split("-")}
        same = port.router.isis_router.area == other.router.isis_router.area
        return "2" in both or ("1" in both and same)

    def hears(
        self, router: Speaker, told: Iterable[tuple[Network, Speaker]]
    ) -> tuple[tuple[Network, ...], tuple[Network, ...]]:
        """Return the networks that a router has only a default route to, and those it has none to.

        ``told`` is all that anybody tells of.

        """
        if all("2" in one.isis_router.level for one in self._routers):
            return (), ()
        whole: set[Network] = set()
        rest: dict[Network, None] = {}
        for network, origin in told:
            if self._knows(router, origin):
                whole.add(network)
            else:
                rest[network] = None
        missing = tuple(network for network in rest if network not in whole)
        return (missing, ()) if self._has_way_out(router) else ((), missing)

    def _knows(self, router: Speaker, origin: Speaker) -> bool:
        mine, its = router.isis_router, origin.isis_router
        if router is origin or ("2" in mine.level and "2" in its.level):
            return True
        return "1" in mine.level and "1" in its.level and mine.area == its.area

    def _has_way_out(self, router: Speaker) -> bool:
        mine = router.isis_router
        return mine.level == "1" and any(
            one.isis_router.level == "1-2" and one.isis_router.area == mine.area
            for one in self._routers
        )


def network_entity_title(area: str, router_id: IPv4Address) -> str:
    """Return a router's address in IS-IS, whose middle is its IPv4 address in decimal digits.

    >>> network_entity_title("49.0001", ip_address("10.0.1.1"))
    '49.0001.0100.0000.1001.00'

    """
    digits = "".join(f"{octet:03}" for octet in router_id.packed)
    return f"{area}.{digits[:4]}.{digits[4:8]}.{digits[8:]}.00"


def _no_level(one: Speaker, other: Speaker, segment: Segment) -> str:
    return (
        f"routers {one.name} and {other.name} on {segment.name} have no level of IS-IS in common "
        f"({_place(one)}, {_place(other)}), and will not become neighbours: at level 1 they must "
        f'be in the same area; let both speak level 2 there, as in isis_options(level="1-2")'
    )


def _place(router: Speaker) -> str:
    said = router.isis_router
    return f"{router.name}: level {said.level} in area {said.area}"
