"""Shapes of shaded realms, and the place of a word upon one.

Pure.  A realm is shaded round its nodes and cables; the word that says what the shade means
stands where it hides nothing.

"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise

from playground.model.records import dataclass
from playground.operations.pictures.diagram import ROW_PX, Diagram, Region, text_width
from playground.operations.pictures.layout import REGION_PX, Layout, Point

# Round a word, in pixels, and so many places are tried across and down.
_CLEAR_PX = 3.0
_MOST_STEPS = 60

# Of each curve of a cable.
_SAMPLES = 12


@dataclass(frozen=True)
class Box:
    """An upright rectangle, by its edges in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, middle: Point, size: tuple[float, float]) -> Box:
        (x, y), (width, height) = middle, size
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    @property
    def corners(self) -> list[Point]:
        return [(x, y) for y in (self.top, self.bottom) for x in (self.left, self.right)]

    def wider(self, by: float) -> Box:
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def overlaps(self, other: Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def holds(self, point: Point) -> bool:
        return self.left <= point[0] <= self.right and self.top <= point[1] <= self.bottom


def shapes_of(region: Region, diagram: Diagram, layout: Layout) -> list[list[Point]]:
    """Return one shape round a realm, or where others stand within that, one for each cable."""
    boxes = {name: box.corners for name, box in _cards(diagram, layout).items()}
    labels = [[] if box is None else box.corners for box in _labels(diagram, layout)]
    own = [boxes[name] for name in region.nodes] + [labels[number] for number in region.cables]
    others = [box for name, box in boxes.items() if name not in region.nodes]
    others += [box for number, box in enumerate(labels) if number not in region.cables]
    whole = _hull(chain.from_iterable(own))
    if not any(_holds(whole, corner) for corner in chain.from_iterable(others)):
        return [whole]
    shapes = [boxes[name] for name in region.nodes]
    for number in region.cables:
        a, b = (boxes[name] for name in (diagram.cables[number].a, diagram.cables[number].b))
        label = labels[number]
        shapes += [_hull(a + label), _hull(label + b)] if label else [_hull(a + b)]
    return shapes


def places_of_words(diagram: Diagram, layout: Layout) -> list[Point]:
    """Return the middle of each realm's word: on its shade, clear of cards, labels and cables.

    Where a shade has no such room the word crosses a cable, and where there is none for that
    it stands above the shade.

    """
    taken = [*_cards(diagram, layout).values()]
    taken += [box for box in _labels(diagram, layout) if box is not None]
    cables = [point for way in layout.ways for point in _along(way)]
    places = []
    for region in diagram.regions:
        shapes = [_hull(shape) for shape in shapes_of(region, diagram, layout)]
        size = (text_width(region.word), float(ROW_PX - 3))
        box = _room(size, shapes, taken, cables) or _room(size, shapes, taken, ())
        if box is None:
            points = list(chain.from_iterable(shapes))
            left, top = min(x for x, _ in points), min(y for _, y in points)
            box = Box.around((left + size[0] / 2, top - REGION_PX - size[1] / 2), size)
        taken.append(box)
        places.append(((box.left + box.right) / 2, (box.top + box.bottom) / 2))
    return places


def _room(
    size: tuple[float, float],
    shapes: Sequence[Sequence[Point]],
    taken: Sequence[Box],
    cables: Iterable[Point],
) -> Box | None:
    """Return the topmost place on the shapes for a word of this size, if there is one."""
    points = list(chain.from_iterable(shapes))
    lines = list(cables)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    reach = REGION_PX - _CLEAR_PX
    for y in _steps(min(ys) - reach + size[1] / 2, max(ys) + reach - size[1] / 2, 4):
        for x in _steps(min(xs) - reach + size[0] / 2, max(xs) + reach - size[0] / 2, 6):
            box = Box.around((x, y), size)
            clear = box.wider(_CLEAR_PX)
            if (
                not any(clear.overlaps(other) for other in taken)
                and not any(clear.holds(point) for point in lines)
                and any(all(_holds(one, corner, reach) for corner in box.corners) for one in shapes)
            ):
                return box
    return None


def _steps(first: float, last: float, least: float) -> Iterator[float]:
    count = min(_MOST_STEPS, max(0, int((last - first) / least)))
    for number in range(count + 1):
        yield first + (last - first) * number / max(count, 1)


def _along(way: Sequence[Point]) -> Iterator[Point]:
    """Yield points of a line of Bézier curves, near to each other."""
    for start in range(0, len(way) - 3, 3):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = way[start : start + 4]
        count = max(_SAMPLES, int(math.hypot(dx - ax, dy - ay) / 8))
        for number in range(count + 1):
            t = number / count
            u = 1 - t
            yield (
                u**3 * ax + 3 * u * u * t * bx + 3 * u * t * t * cx + t**3 * dx,
                u**3 * ay + 3 * u * u * t * by + 3 * u * t * t * cy + t**3 * dy,
            )


def _cards(diagram: Diagram, layout: Layout) -> dict[str, Box]:
    return {card.name: Box.around(layout.cards[card.name], card.size) for card in diagram.cards}


def _labels(diagram: Diagram, layout: Layout) -> list[Box | None]:
    return [
        None if where is None else Box.around(where, cable.size)
        for cable, where in zip(diagram.cables, layout.labels, strict=True)
    ]


def _holds(hull: Sequence[Point], point: Point, reach: float = REGION_PX) -> bool:
    """Tell whether a point lies in a convex shape, or as near as ``reach`` pixels."""
    x, y = point
    for (ax, ay), (bx, by) in pairwise([*hull, hull[0]]):
        beside = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / math.hypot(bx - ax, by - ay)
        if beside < -reach:
            return False
    return True


def _hull(points: Iterable[Point]) -> list[Point]:
    """Return the convex hull of points, by the method of Andrew (1979)."""
    ordered = sorted(set(points))
    halves: list[list[Point]] = []
    for way in (ordered, ordered[::-1]):
        half: list[Point] = []
        for x, y in way:
            while len(half) > 1 and (half[-1][0] - half[-2][0]) * (y - half[-2][1]) <= (
                half[-1][1] - half[-2][1]
            ) * (x - half[-2][0]):
                half.pop()
            half.append((x, y))
        halves.append(half[:-1])
    return halves[0] + halves[1]
