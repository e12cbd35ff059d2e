"""Areas of OSPF: which networks lie in which, and what a router in one hears of another.

Pure functions from what routers were told of their links and of areas.

"""

# RFC 2328: sections 3.2 and 3.5 have how areas hear of each other, 3.6 stub areas; RFC 3101 NSSA.

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from playground.errors import TopologyError
from playground.model.addresses import Network
from playground.model.routing.ospf import BACKBONE, OspfArea, OspfLink
from playground.model.routing.policy import covers
from playground.planning.addresses.router_parts import Speaker
from playground.planning.addresses.segments import Segment
from playground.planning.addresses.tolerated_faults import Doubts
from playground.planning.routing.ports import SpeakingPort
from playground.planning.routing.shared_settings import agreed, completed

# What all on a network must say alike, so that it is enough that one of them does.
_SHARED = ("network", "password", "hello_s", "dead_s", "bfd_ms")


class AreaPrefix(NamedTuple):
    """A network that a router tells of: in an area, or None for one from outside of OSPF."""

    network: Network
    router: Speaker
    area: str | None


class OspfAreas:
    """The areas of all OSPF routers, for one version of IP.

    Raises `TopologyError` where routers contradict each other; passwords, timers and types of
    networks that differ are told to ``doubts``.

    """

    def __init__(self, ports: Mapping[Speaker, Sequence[SpeakingPort]], doubts: Doubts) -> None:
        self._area: dict[Segment, str] = {}
        self._shared: dict[Segment, OspfLink] = {}
        everything = [port for own in ports.values() for port in own]
        for port in everything:
            if (said := port.router.ospf_links.get(port.link)) is not None:
                self._say(port, said, doubts)
        self.kinds: dict[str, str] = {}
        self._of: dict[Speaker, set[str]] = {
            router: {self.area(port) for port in own} for router, own in ports.items()
        }
        for router in self._of:
            self._say_kinds(router)

    def _say(self, port: SpeakingPort, said: OspfLink, doubts: Doubts) -> None:
        name, segment = port.router.name, port.segment
        if said.area is not None:
            area = self._area.setdefault(segment, said.area)
            if area != said.area:
                raise TopologyError(
                    f"router {name} says that {segment.name} lies in OSPF area "
                    f"{said.area}, and another router there says {area}; all of a network lies "
                    f"in one area (RFC 2328)"
                )
        known = self._shared.get(segment, OspfLink())
        self._shared[segment] = agreed(known, said, _SHARED, port, doubts)

    def _say_kinds(self, router: Speaker) -> None:
        for number, said in router.ospf_areas.items():
            if number not in self._of[router] and self._of[router]:
                inside = ", ".join(sorted(self._of[router]))
                raise TopologyError(
                    f"router {router.name}: ospf_area() speaks of area {number}, in which none of "
                    f"its links lies (they lie in {inside}); say ospf(link, area=...) first, or "
                    f"say it of a router there"
                )
            if said.kind is None:
                continue
            kind = self.kinds.setdefault(number, said.kind)
            if kind != said.kind:
                raise TopologyError(
                    f"router {router.name}: OSPF area {number} is {said.kind!r}, and another "
                    f"router says {kind!r}; all routers of an area agree (RFC 2328 section 3.6)"
                )

    def area(self, port: SpeakingPort) -> str:
        """Return the area that a port's network lies in."""
        return self._area.get(port.segment, BACKBONE)

    def said(self, port: SpeakingPort) -> OspfLink:
        """Return what a router is told of one of its links, by itself or by others there."""
        own = port.router.ospf_links.get(port.link) or OspfLink()
        shared = self._shared.get(port.segment, OspfLink())
        if own.hello_s is not None:  # its own dead interval, or four times this one
            shared = dataclasses.replace(shared, dead_s=None)
        return completed(own, shared, _SHARED)

    def of(self, router: Speaker) -> dict[str, OspfArea]:
        """Return what is said of a router's areas, by itself, or of their kinds by others."""
        found = {}
        for number in sorted(self._of.get(router, ())):
            said = router.ospf_areas.get(number, OspfArea())
            kind = self.kinds.get(number)
            if (whole := dataclasses.replace(said, kind=kind)) != OspfArea():
                found[number] = whole
        return found

    def hears(
        self, router: Speaker, told: Iterable[AreaPrefix]
    ) -> tuple[tuple[Network, ...], tuple[Network, ...]]:
        """Return the networks that a router hears of only in a greater one, and those it does not.

        ``told`` is all that anybody tells of.

        """
        if not self.kinds and not any(one.ospf_areas for one in self._of):
            return (), ()
        best: dict[Network, int] = {}
        for prefix in told:
            how = self._how(router, prefix)
            best[prefix.network] = max(best.get(prefix.network, _NOT), how)
        return (
            tuple(network for network, how in best.items() if how == _COVERED),
            tuple(network for network, how in best.items() if how == _NOT),
        )

    def _how(self, router: Speaker, prefix: AreaPrefix) -> int:
        own = self._of.get(router, set())
        if router is prefix.router or prefix.area in own:
            return _WHOLE
        if prefix.area is None:
            return max((self._from_outside(area, prefix.router) for area in own), default=_NOT)
        leaves = self._leaves(prefix.area, prefix.network)
        if leaves == _NOT:
            return _NOT
        if BACKBONE in own:
            return leaves
        return max((self._enters(area, prefix.network, leaves) for area in own), default=_NOT)

    def _from_outside(self, area: str, origin: Speaker) -> int:
        """Return how routes from outside of OSPF, by a router, come into an area."""
        theirs = self._of.get(origin, set())
        if not any(self._kind(one) in ("normal", "nssa", "totally nssa") for one in theirs):
            return _NOT  # nobody tells of such routes in a stub area
        kind = self._kind(area)
        inside = kind.endswith("nssa") and area in theirs
        return _WHOLE if kind == "normal" or inside else _COVERED

    def _leaves(self, area: str, network: Network) -> int:
        """Return how a network of an area comes into the backbone."""
        if area == BACKBONE:
            return _WHOLE
        found = [_NOT]
        for said in self._borders(area):
            covered = any(covers(one, network) for one in said.ranges)
            if said.send is None or covered or said.send.passes(network):
                found.append(_COVERED if covered else _WHOLE)
        return max(found)

    def _enters(self, area: str, network: Network, leaves: int) -> int:
        """Return how a network, as the backbone hears of it, comes into an area."""
        if self._kind(area).startswith("totally"):
            return _COVERED
        found = [_NOT]
        for said in self._borders(area):
            if said.receive is None or said.receive.passes(network):
                found.append(leaves)
        return max(found)

    def _borders(self, area: str) -> list[OspfArea]:
        """Return what the routers on the border of an area are told of it."""
        return [
            router.ospf_areas.get(area, OspfArea())
            for router, areas in self._of.items()
            if area in areas and BACKBONE in areas and area != BACKBONE
        ]

    def _kind(self, area: str) -> str:
        return self.kinds.get(area, "normal")


# How a router hears of a network: as it is, in a greater one, or not at all.
_NOT, _COVERED, _WHOLE = range(3)
