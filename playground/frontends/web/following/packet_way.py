"""The way of a packet over a picture: what `lab.explain` found, as stops and cables.  Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from playground.operations.diagnosis.evidence.explanation import Explanation, Step
from playground.operations.pictures.diagram import Diagram

THERE, BACK = "there", "back"


@dataclass(frozen=True)
class Stop:
    """A node that the packet comes to, and what was found there, a row each.

    ``way`` is "there" or "back".  ``fault`` is where it stops for good, ``said`` the few words
    that stand beside the node in the picture.

    """

    node: str
    way: str
    rows: tuple[Step, ...] = ()
    fault: bool = False
    said: str = ""


@dataclass(frozen=True)
class Passage:
    """A cable that the packet passes, by its number in the picture, toward a node."""

    cable: int
    toward: str
    way: str


PacketStep = Stop | Passage


def packet_way(
    found: Explanation, diagram: Diagram, closed: Collection[int] = ()
) -> list[PacketStep]:
    """Return the stops and passages of a packet, and of its answer.

    Between two nodes that an explanation names it goes through switches, by the fewest cables;
    ``closed`` are those that pass nothing now (down, or blocked by a spanning tree), which
    are taken only where there is no other.

    >>> [step.node for step in packet_way(found, diagram) if isinstance(step, Stop)]
    ['h1', 'home', 'modem', 'www.example.com', 'modem', 'home', 'h1']

    """
    visits = [Stop(node, THERE) for node in found.path]
    visits += [Stop(node, BACK) for node in found.path_back[1:]]
    if not visits:
        # It never left: the name means nothing, say.
        where = found.node or (found.steps[0].node if len(found.steps) else "")
        visits = [Stop(where, THERE)]
    visits = _with_rows(visits, list(found.steps))
    if not found.ok:
        visits = _with_fault(visits, found)
    visits = [replace(stop, said=_said(stop, found)) for stop in visits]
    names = {card.name for card in diagram.cards}
    return list(_with_cables([stop for stop in visits if stop.node in names], diagram, closed))


def _with_rows(visits: Sequence[Stop], rows: Sequence[Step]) -> list[Stop]:
    """Give each row to the visit that it was found at: rows are in the order of the way."""
    taken: list[list[Step]] = [[] for _ in visits]
    at = 0
    for row in rows:
        if row.asked == "cause":
            continue
        ahead = (number for number in range(at, len(visits)) if visits[number].node == row.node)
        at = next(ahead, at)
        taken[at].append(row)
    return [replace(stop, rows=tuple(found)) for stop, found in zip(visits, taken, strict=True)]


def _with_fault(visits: Sequence[Stop], found: Explanation) -> list[Stop]:
    """Mark where it stops; a node that it did not come to, a switch say, is the last stop."""
    for number in reversed(range(len(visits))):
        if visits[number].node == found.node:
            stops = list(visits)
            stops[number] = replace(stops[number], fault=True)
            # What was looked at behind it did not happen.
            return stops[: number + 1]
    if not found.node:
        return [*visits[:-1], replace(visits[-1], fault=True)]
    return [*visits, Stop(found.node, visits[-1].way, fault=True)]


def _said(stop: Stop, found: Explanation) -> str:
    if stop.fault:
        return found.cause
    for asked, words in _TELLING:
        for row in stop.rows:
            if row.asked == asked:
                return words.format(found=row.found)
    return ""


# What of all that was found at a node is said beside it: the first of these.
_TELLING = (
    ("answer", "answer {found}"),
    ("socket", "{found}"),
    ("nat", "NAT: {found}"),
    ("route", "{found}"),
    ("route back", "{found}"),
    ("name", "{found}"),
)


def _with_cables(
    stops: Sequence[Stop], diagram: Diagram, closed: Collection[int]
) -> Iterator[PacketStep]:
    if stops:
        yield stops[0]
    for here, there in pairwise(stops):
        for step in _between(here.node, there.node, there.way, diagram, closed):
            if step != Stop(there.node, there.way):
                yield step
        yield there


def _between(
    start: str, end: str, way: str, diagram: Diagram, closed: Collection[int]
) -> list[PacketStep]:
    """Return the cables from one node to the next, and the switches between; [] without any."""
    open_ones = _search(start, end, diagram, closed)
    found = open_ones if open_ones is not None else _search(start, end, diagram, ())
    steps: list[PacketStep] = []
    for cable, node in found or ():
        steps += [Passage(cable, node, way), Stop(node, way)]
    return steps


def _search(
    start: str, end: str, diagram: Diagram, closed: Collection[int]
) -> list[tuple[int, str]] | None:
    """Return the fewest cables that lead through switches alone, each with where it leads."""
    through = {card.name for card in diagram.cards if card.kind == "switch"}
    beside: dict[str, list[tuple[int, str]]] = {}
    for number, cable in enumerate(diagram.cables):
        if number not in closed:
            beside.setdefault(cable.a, []).append((number, cable.b))
            beside.setdefault(cable.b, []).append((number, cable.a))
    came: dict[str, tuple[int, str]] = {start: (-1, "")}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        if here == end:
            found: list[tuple[int, str]] = []
            while here != start:
                passed, before = came[here]
                found.append((passed, here))
                here = before
            return found[::-1]
        if here != start and here not in through:
            continue
        for passed, other in beside.get(here, ()):
            if other not in came:
                came[other] = (passed, here)
                queue.append(other)
    return None
