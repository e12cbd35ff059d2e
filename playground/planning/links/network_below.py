"""The network below tunnels: by which cables, and through which routers, one node reaches another.

Tunnels themselves are no part of it.  A search of its own, since routes say where a packet
is sent next, and a tunnel has to know of the whole way: which addresses its two ends have on
it, whether a router on it masquerades, and what fits through it.

"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from playground.model.addresses import Address
from playground.model.parts import End
from playground.model.records import dataclass
from playground.model.topology import Link, Machine, Router
from playground.planning.addresses.addressing import Addressing
from playground.planning.addresses.router_parts import RouterPart, end_of, own_links, part_at
from playground.planning.addresses.segments import Segment


@dataclass(frozen=True)
class WayBelow:
    """A shortest way from one node to another.

    ``local`` is the address that the first node has where it begins, ``remote`` the other
    node's where it ends.  ``mtu_bytes`` is the least of all its cables', and ``masquerades``
    the first router on it that hides from where packets come.

    """

    local: Address
    remote: Address
    mtu_bytes: int
    masquerades: Router | None = None


@dataclass(frozen=True)
class _Reached:
    """Where a search has come to: by which end a node was left, and what it had seen till then."""

    segment: Segment
    local: Address
    mtu_bytes: int
    masquerades: Router | None


class NetworkBelow:
    """All cables of a lab between hosts and routers."""

    def __init__(self, segments: Sequence[Segment], addressing: Addressing) -> None:
        self._addressing = addressing
        self._links: dict[End, Link] = {}
        self._segment_of: dict[End, Segment] = {}
        for segment in segments:
            for link in segment.links:
                if link.tunnel is None:
                    self._links.update(dict.fromkeys(link.ends, link))
            self._segment_of.update(dict.fromkeys(segment.ends, segment))

    def way(
        self,
        start: Machine,
        goal: Machine,
        family: int,
        *,
        local: Address | None = None,
        remote: Address | None = None,
    ) -> WayBelow | None:
        """Return the shortest way by addresses of one family; None where there is none.

        ``local`` and ``remote`` are addresses that its ends have to be, on whichever of the
        nodes' cables, or their loopback interfaces.  A way leads out of a masquerading
        router's inside, and never in (but in IPv6, which is not translated).

        """
        queue = [
            _Reached(segment, address, mtu_bytes, None)
            for end, segment, mtu_bytes in self._ends(start, family)
            for address in [self._usable(start, end, family, local)]
            if address is not None
        ]
        seen = {step.segment for step in queue}
        for step in queue:
            for end in step.segment.ends:
                if end.node is start or end not in self._links:
                    continue
                arriving = self._mtu(end)
                if part_at(end) is goal:
                    address = self._usable(goal, end, family, remote)
                    if address is not None:
                        smallest = min(step.mtu_bytes, arriving)
                        return WayBelow(step.local, address, smallest, step.masquerades)
                if isinstance(end.node, Router):
                    queue += self._onward(step, end, end.node, family, seen)
        return None

    def _onward(
        self, step: _Reached, arriving: End, router: Router, family: int, seen: set[Segment]
    ) -> Iterator[_Reached]:
        outside = {link.end(router) for link in router.uplinks}
        for leaving, segment, mtu_bytes in self._ends(part_at(arriving), family):
            if segment in seen:
                continue
            if family == 4 and arriving in outside and leaving not in outside:
                continue
            seen.add(segment)
            hides = family == 4 and leaving in outside and arriving not in outside
            yield _Reached(
                segment,
                step.local,
                min(step.mtu_bytes, self._mtu(arriving), mtu_bytes),
                step.masquerades or (router if hides else None),
            )

    def _ends(self, node: Machine | RouterPart, family: int) -> Iterator[tuple[End, Segment, int]]:
        for part in own_links(node):
            end = end_of(part, node)
            if end in self._links and self._addressing.of(end, family):
                yield end, self._segment_of[end], self._mtu(end)

    def _mtu(self, end: End) -> int:
        link = self._links[end]
        return min(link.mtus)

    def _usable(
        self, node: Machine, end: End, family: int, wanted: Address | None
    ) -> Address | None:
        """Return the address by which a node is known at one of its ends; None if it may not be."""
        if wanted is not None:
            return wanted if wanted in addresses_of(node, self._addressing) else None
        own = self._addressing.of(end, family)
        return own[0].ip if own else None


def addresses_of(node: Machine, addressing: Addressing) -> Mapping[Address, str]:
    """Return the addresses that a node has on its cables and on its loopback interface.

    Not those in VRFs: the ends of a tunnel are in its main table.

    """
    found: dict[Address, str] = {item.ip: "loopback" for item in node.loopback}
    for link in own_links(node):
        if link.tunnel is None:
            for item in addressing.addresses.get(link.end(node), ()):
                found[item.ip] = repr(link)
    return found
