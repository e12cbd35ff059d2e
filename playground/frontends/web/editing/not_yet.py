"""A draft upon the picture of what runs: what is not there yet, and what is to go.  Pure.

Everything that runs stays where it is in the picture, with its numbers, so that its traffic can be
shown; what is drawn stands beside what it is linked to.

"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from playground.model.records import dataclass
from playground.operations.pictures.diagram import Cable, Card, Diagram
from playground.operations.pictures.layout import Layout, Point
from playground.operations.pictures.moved import moved

# Between cards, in pixels.
_GAP_PX = 16.0
_FIRST_RING_PX, _RING_PX, _RINGS, _TURNS = 110.0, 45.0, 40, 16

Marks = dict[str, dict[str, str]]


@dataclass(frozen=True)
class NotYet:
    """A picture with a draft in it: ``marks`` are attributes of its parts, ``data-draft``.

    They are "new" or "gone".  ``shift`` is how far the picture has grown to the left and upwards.

    """

    diagram: Diagram
    layout: Layout
    marks: Marks
    shift: Point = (0.0, 0.0)


def with_draft(
    running: Diagram, layout: Layout, wanted: Diagram, positions: Mapping[str, Point]
) -> NotYet:
    """Return the picture of what runs with what a draft adds and takes away.

    ``positions`` are where somebody has put cards of the draft.

    """
    there = {card.name for card in running.cards}
    stay = {card.name for card in wanted.cards}
    new = [_card(card) for card in wanted.cards if card.name not in there]
    more, gone = _cables(running, wanted)
    diagram = replace(running, cards=(*running.cards, *new), cables=(*running.cables, *more))
    places = _places(diagram, layout, new, positions)
    cards = {**layout.cards, **places}
    whole = Layout(
        layout.width,
        layout.height,
        cards,
        (*layout.labels, *(None for _ in more)),
        (*layout.ways, *(_straight(cards[cable.a], cards[cable.b]) for cable in more)),
    )
    whole, shift = moved(whole, diagram, places)
    first = len(running.cables)
    marks = {f"node {card.name}": "new" for card in new}
    marks |= {f"node {name}": "gone" for name in there - stay}
    marks |= {f"cable {first + number}": "new" for number, _ in enumerate(more)}
    marks |= {f"{kind} {number}": "gone" for number in gone for kind in ("cable", "label", "note")}
    return NotYet(
        diagram, whole, {part: {"data-draft": mark} for part, mark in marks.items()}, shift
    )


def marked_new(diagram: Diagram, layout: Layout, positions: Mapping[str, Point]) -> NotYet:
    """Return the picture of a lab of which nothing runs yet."""
    whole, shift = moved(layout, diagram, positions)
    parts = [f"node {card.name}" for card in diagram.cards]
    parts += [f"cable {number}" for number, _ in enumerate(diagram.cables)]
    return NotYet(diagram, whole, {part: {"data-draft": "new"} for part in parts}, shift)


def _card(card: Card) -> Card:
    # Which addresses it will have is only known when it is applied.
    return Card(card.name, card.kind, ("not yet",), f"{card.name}: drawn, and not applied yet")


def _cables(running: Diagram, wanted: Diagram) -> tuple[list[Cable], list[int]]:
    """Return the links that a draft adds, and the numbers of those that it takes away."""
    pairs = Counter(_pair(cable) for cable in running.cables)
    more = []
    for cable in wanted.cables:
        if pairs[_pair(cable)] > 0:
            pairs[_pair(cable)] -= 1
        else:
            tooltip = f"{cable.a} — {cable.b}: drawn, and not applied yet"
            more.append(replace(cable, a_rows=(), b_rows=(), note="", state="up", tooltip=tooltip))
    gone = []
    for number, cable in reversed([*enumerate(running.cables)]):
        if pairs[_pair(cable)] > 0:
            pairs[_pair(cable)] -= 1
            gone.append(number)
    return more, gone


def _pair(cable: Cable) -> frozenset[str]:
    return frozenset((cable.a, cable.b))


def _straight(a: Point, b: Point) -> tuple[Point, ...]:
    return (a, a, b, b)


def _places(
    diagram: Diagram, layout: Layout, new: Sequence[Card], positions: Mapping[str, Point]
) -> dict[str, Point]:
    """Return a place for each new card: beside what it is linked to, and upon nothing else."""
    neighbours: dict[str, list[str]] = {}
    for cable in diagram.cables:
        neighbours.setdefault(cable.a, []).append(cable.b)
        neighbours.setdefault(cable.b, []).append(cable.a)
    boxes = [
        (layout.cards[card.name], card.size) for card in diagram.cards if card.name in layout.cards
    ]
    boxes += [
        (place, cable.size)
        for cable, place in zip(diagram.cables, layout.labels, strict=False)
        if place is not None
    ]
    found: dict[str, Point] = {}
    pending = list(new)
    while pending:
        known = {**layout.cards, **found}
        # First those whose neighbours have a place.
        card = next(
            (one for one in pending if any(name in known for name in neighbours.get(one.name, ()))),
            pending[0],
        )
        pending.remove(card)
        near = [known[name] for name in neighbours.get(card.name, ()) if name in known]
        place = positions.get(card.name) or _free(card.size, _wished(near, layout, card), boxes)
        found[card.name] = place
        boxes.append((place, card.size))
    return found


def _wished(near: Sequence[Point], layout: Layout, card: Card) -> Point:
    if near:
        return (sum(x for x, _ in near) / len(near), sum(y for _, y in near) / len(near))
    return (layout.width / 2, layout.height + card.size[1] / 2 + 2 * _GAP_PX)


def _free(
    size: tuple[float, float], near: Point, boxes: Sequence[tuple[Point, tuple[float, float]]]
) -> Point:
    for place in _around(near):
        if not any(_overlaps(place, size, *box) for box in boxes):
            return place
    return (near[0], max(y for (_, y), _ in boxes) + 10 * _RING_PX)


def _around(near: Point) -> Iterator[Point]:
    yield near
    for ring in range(_RINGS):
        far = _FIRST_RING_PX + ring * _RING_PX
        for turn in _turns():
            # From below, to both sides in turn.
            yield (near[0] + far * math.sin(turn), near[1] + far * math.cos(turn))


def _turns() -> Iterable[float]:
    step = 2 * math.pi / _TURNS
    return ((number + 1) // 2 * step * (-1) ** number for number in range(_TURNS))


def _overlaps(a: Point, a_size: tuple[float, float], b: Point, b_size: tuple[float, float]) -> bool:
    return (
        abs(a[0] - b[0]) < (a_size[0] + b_size[0]) / 2 + _GAP_PX
        and abs(a[1] - b[1]) < (a_size[1] + b_size[1]) / 2 + _GAP_PX
    )
