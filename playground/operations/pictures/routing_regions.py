"""Shades of a picture that show routing: areas of OSPF and IS-IS, and systems of BGP.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from playground.model.routing.ospf import BACKBONE
from playground.model.topology import Router
from playground.operations.network import Node
from playground.operations.pictures.diagram import Region, drawn
from playground.planning.addresses.segments import Segment, find_segments
from playground.planning.plan import Plan
from playground.planning.plan_parts import WirePlan


def areas(plan: Plan, nodes: Iterable[Node]) -> Iterator[Region]:
    """Yield the areas: all networks of each, and whoever is on them.

    A router on the border of areas of OSPF is in each.

    """
    wires = drawn(plan)
    members: dict[str, dict[str, None]] = {}
    links: dict[str, set[frozenset[str]]] = {}
    for segment in find_segments(tuple(nodes)):
        for word in _areas_of(segment):
            found = members.setdefault(word, {})
            found |= dict.fromkeys(end.node.name for end in segment.ends)
            found |= {switch.name: None for switch in segment.switches}
            links.setdefault(word, set()).update(
                frozenset(end.node.name for end in link.ends) for link in segment.links
            )
    for word, names in sorted(members.items()):
        inside = [number for number, wire in enumerate(wires) if _ends(wire) in links[word]]
        yield Region(_planned(plan, names), tuple(inside), word, f"{word}, with its networks")


def _areas_of(segment: Segment) -> list[str]:
    """Return what a segment lies in; between areas of IS-IS it is in none."""
    routers = [end.node for end in segment.ends if isinstance(end.node, Router)]
    found = []
    if any("ospf" in router.protocols for router in routers):
        said = (
            item.area
            for router in routers
            for link, item in router.ospf_links.items()
            if link.end(router) in segment.ends and item.area is not None
        )
        area = next(said, BACKBONE)
        short = area.removeprefix("0.0.0.")
        found.append(f"OSPF area {short}")
    isis = {router.isis_router.area for router in routers if "isis" in router.protocols}
    return found + [f"IS-IS area {area}" for area in isis if len(isis) == 1]


def systems(plan: Plan, nodes: Iterable[Node]) -> Iterator[Region]:
    """Yield the autonomous systems: the routers of each, and who is behind one of them alone."""
    wires = drawn(plan)
    own = {node.name: node.as_number for node in plan.nodes if node.as_number is not None}
    beside: dict[str, dict[str, None]] = {}
    for segment in find_segments(tuple(nodes)):
        there = [end.node.name for end in segment.ends]
        there += (switch.name for switch in segment.switches)
        for name in there:
            beside.setdefault(name, {}).update(dict.fromkeys(there))
    reached: dict[str, set[int]] = {}
    for name, number in own.items():
        for other in _behind(name, beside, own):
            reached.setdefault(other, set()).add(number)
    found: dict[int, dict[str, None]] = {}
    for name in [*(node.name for node in plan.nodes), *(one.name for one in plan.switches)]:
        numbers = {own[name]} if name in own else reached.get(name, set())
        if len(numbers) == 1:
            found.setdefault(numbers.pop(), {})[name] = None
    for number, names in sorted(found.items()):
        inside = [place for place, wire in enumerate(wires) if _ends(wire) <= names.keys()]
        tooltip = f"the autonomous system {number}: {', '.join(n for n in names if n in own)}"
        yield Region(tuple(names), tuple(inside), f"AS {number}", tooltip)


def _behind(start: str, beside: Mapping[str, Iterable[str]], stops: Iterable[str]) -> Iterable[str]:
    """Return what is reached from a router without going through another of these."""
    found = {start: None}
    queue = [start]
    for one in queue:
        for other in beside.get(one, ()):
            if other not in found and other not in stops:
                found[other] = None
                queue.append(other)
    return found


def _planned(plan: Plan, names: Iterable[str]) -> tuple[str, ...]:
    planned = {node.name for node in plan.nodes} | plan.switch_names
    return tuple(name for name in names if name in planned)


def _ends(wire: WirePlan) -> frozenset[str]:
    return frozenset((wire.a.node, wire.b.node))
