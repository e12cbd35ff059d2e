"""VRFs that keep two nodes apart: which router has them, and which is whose."""

from __future__ import annotations

from collections.abc import Iterable

from playground.model.parts import NodeBase
from playground.model.topology import Machine, Node
from playground.planning.addresses.nat_realms import find_realms
from playground.planning.addresses.router_parts import end_of, own_links, with_parts
from playground.planning.addresses.segments import find_segments


def keeping_apart(
    one: Machine, other: Machine, nodes: Iterable[Node]
) -> tuple[str, str | None, str | None] | None:
    """Return a router with two of its VRFs, of which one leads to each of two nodes.

    A VRF is None for the router's main table.  The whole is None where no single router keeps
    them apart, or where they can reach each other.

    """
    nodes = list(nodes)
    realms = find_realms(find_segments(nodes))
    reach, theirs = set(realms.reached_from(one)), set(realms.of_node(other))
    if reach & theirs:
        return None
    for router in nodes:
        if not isinstance(router, Machine) or not router.vrfs:
            continue
        sides: list[str | None] = []
        for wanted in (reach, theirs):
            for part in with_parts([router]):
                links = own_links(part)
                if wanted & {realms.of_segment[realms.segment_of[end_of(x, part)]] for x in links}:
                    sides.append(None if isinstance(part, NodeBase) else part.vrf.name)
                    break
        if len(sides) == 2:
            return router.name, sides[0], sides[1]
    return None
