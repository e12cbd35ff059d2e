"""A layout whose cards somebody has moved by hand.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from playground.operations.pictures.diagram import Diagram
from playground.operations.pictures.layout import Layout, Point


def moved(layout: Layout, diagram: Diagram, positions: Mapping[str, Point]) -> tuple[Layout, Point]:
    """Return the layout with these cards in other places, which are their middles in pixels.

    Cables to a card that was moved are straight, with their label halfway; those between two
    nodes stand side by side.  A name that no card has is passed over.  The picture may grow to the
    left and upwards: all of it is shifted then, so that it begins at (0, 0).  Second comes how far.

    """
    here = {name: place for name, place in positions.items() if name in layout.cards}
    if not here:
        return layout, (0.0, 0.0)
    cards = {**layout.cards, **here}
    labels, ways = list(layout.labels), list(layout.ways)
    beside: dict[frozenset[str], int] = {}
    for number, cable in enumerate(diagram.cables):
        pair = frozenset((cable.a, cable.b))
        turn = beside[pair] = beside.get(pair, -1) + 1
        if not {cable.a, cable.b} & here.keys():
            continue
        a, b = cards[cable.a], cards[cable.b]
        middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
        if turn:
            middle = (middle[0] + 34 * turn, middle[1] + 26 * turn)
        if labels[number] is not None:
            labels[number] = middle
        # One curve of Bézier through the middle, straight where that lies between the ends.
        ways[number] = (a, _third(a, middle), _third(b, middle), b)
    return _whole(replace(layout, cards=cards, labels=tuple(labels), ways=tuple(ways)), diagram)


def _third(end: Point, middle: Point) -> Point:
    return (end[0] + (middle[0] - end[0]) * 4 / 3, end[1] + (middle[1] - end[1]) * 4 / 3)


def _whole(layout: Layout, diagram: Diagram) -> tuple[Layout, Point]:
    """Return the layout with a size that holds all of it, even what was moved far away."""
    boxes = [(layout.cards[card.name], card.size) for card in diagram.cards]
    boxes += [
        (place, cable.size)
        for cable, place in zip(diagram.cables, layout.labels, strict=True)
        if place is not None
    ]
    left = min(x - width / 2 for (x, _), (width, _) in boxes)
    top = min(y - height / 2 for (_, y), (_, height) in boxes)
    right = max(x + width / 2 for (x, _), (width, _) in boxes)
    bottom = max(y + height / 2 for (_, y), (_, height) in boxes)
    # Layout programs round: what begins less than a pixel outside was not moved there.
    across, down = (-edge if edge < -1 else 0.0 for edge in (left, top))

    def shifted(point: Point) -> Point:
        return (point[0] + across, point[1] + down)

    whole = Layout(
        max(layout.width, right) + across,
        max(layout.height, bottom) + down,
        {name: shifted(place) for name, place in layout.cards.items()},
        tuple(None if place is None else shifted(place) for place in layout.labels),
        tuple(tuple(map(shifted, way)) for way in layout.ways),
    )
    return whole, (across, down)
