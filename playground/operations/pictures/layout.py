"""Places of the cards and labels of a diagram: by graphviz, or by igraph without it.

Cards and labels alike are boxes of a known size, and a cable is two edges with its
label between them, so that nothing can overlap: that is what layout programs are
for.  Graphviz needs the program `dot`; igraph comes whole with its Python package.

"""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import statistics
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, pairwise

from playground.errors import PlaygroundError
from playground.model.records import dataclass
from playground.operations.pictures.diagram import Diagram

Point = tuple[float, float]

# Between boxes, beside and below each other, in pixels; and at least along a line where
# there is no beside and below.
_GAP_PX, _RANK_PX, _LINE_PX = 22.0, 30.0, 14.0

# The margin of a shaded realm around its cards.
REGION_PX = 14.0

# The visible part of a notebook on a usual screen, in pixels.
_PAGE = 900.0, 650.0

# Where there are so many boxes, lines go round them; where there are more they run straight,
# for else a mesh takes 10 s with 270 boxes, and with 600 more than anybody waits.
_MOST_TO_GO_ROUND = 200
_LIMIT_S = 60.0

# So many hosts may stand side by side: a wider tree is drawn round, or in several rows.
_ROW_OF_LEAVES = 8


@dataclass(frozen=True)
class Layout:
    """A place for each box, and a way for each cable, in pixels from the top left.

    ``cards`` maps names to the middles of cards, ``labels`` has the middle of each
    cable's label (None where it has none).  ``ways`` has each cable's line from the
    middle of its node ``a`` to that of ``b``: a first point and then three for each
    curve of Bézier.

    """

    width: float
    height: float
    cards: Mapping[str, Point]
    labels: tuple[Point | None, ...]
    ways: tuple[tuple[Point, ...], ...]


def place(diagram: Diagram, by: str | None = None) -> Layout:
    """Return where everything of a diagram stands.

    ``by`` is "graphviz" or "igraph"; by default the first that is here.  Raises
    `PlaygroundError` where neither is installed.

    """
    graph = _Graph(diagram)
    return _by_graphviz(graph) if (by or _choose()) == "graphviz" else _by_igraph(graph)


def _choose() -> str:
    if shutil.which("dot") and importlib.util.find_spec("graphviz"):
        return "graphviz"
    if importlib.util.find_spec("igraph"):
        return "igraph"
    raise PlaygroundError(
        "a picture of a network needs a package that lays it out: pip install igraph; it looks "
        "best with graphviz: pip install graphviz, and apt-get install graphviz"
    )


class _Graph:
    """A diagram as boxes and edges: first the cards, then the labels.

    ``boxes`` are their sizes, ``label`` has the box of each cable's label or None.
    ``depth`` is how far a card is from the middle of its part of the network, and
    ``leaves`` has those that hang on each card and on nothing else.  Where there are many,
    ``blocks`` has cards that stand as one box with their leaves, which are ``in_blocks``
    and which no program is told of.  ``is_layered`` is what then is best drawn from the
    middle of the network down; rings look like rings where forces draw them.

    """

    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.number = {card.name: number for number, card in enumerate(diagram.cards)}
        inside = {name for region in diagram.regions for name in region.nodes}
        bands = {number for region in diagram.regions for number in region.cables}
        self.boxes = [_wider(card.size, card.name in inside) for card in diagram.cards]
        self.label: list[int | None] = []
        for number, cable in enumerate(diagram.cables):
            self.label.append(len(self.boxes) if cable.rows else None)
            if cable.rows:
                self.boxes.append(_wider(cable.size, number in bands))
        self.ends = [(self.number[cable.a], self.number[cable.b]) for cable in diagram.cables]
        self.neighbours: list[list[int]] = [[] for _ in diagram.cards]
        for a, b in self.ends:
            self.neighbours[a].append(b)
            self.neighbours[b].append(a)
        self.depth = [0] * len(diagram.cards)
        parts = 0
        for part in self._parts():
            parts += 1
            middle = min(part, key=lambda one: max(_distances(self.neighbours, one).values()))
            for one, distance in _distances(self.neighbours, middle).items():
                self.depth[one] = distance
        self.is_forest = len(set(map(frozenset, self.ends))) == len(diagram.cards) - parts
        self.leaves: dict[int, list[int]] = {}
        for one, others in enumerate(self.neighbours):
            if len(others) == 1 and self.depth[one] > self.depth[others[0]]:
                self.leaves.setdefault(others[0], []).append(one)
        count = sum(map(len, self.leaves.values()))
        small = self.is_forest and count <= _ROW_OF_LEAVES
        self.blocks = {} if small else dict(_blocks(self))
        self.in_blocks = {leaf for block in self.blocks.values() for leaf in block.places}
        self.is_layered = small or bool(self.blocks)
        self.cards = self.boxes[: len(diagram.cards)]
        for parent, block in self.blocks.items():
            self.boxes[parent] = block.size

    def _parts(self) -> Iterator[list[int]]:
        """Yield what hangs together: those that may be its middle, leaves only if need be."""
        seen: set[int] = set()
        for start in range(len(self.neighbours)):
            if start not in seen:
                part = list(_distances(self.neighbours, start))
                seen.update(part)
                yield [one for one in part if len(self.neighbours[one]) > 1] or part

    @property
    def is_short_row(self) -> bool:
        """Whether it is but a few machines one behind the other."""
        most = max(map(len, self.neighbours), default=0)
        return self.is_forest and most <= 2 and len(self.neighbours) <= 4

    def unfold(self, places: dict[int, Point]) -> None:
        """Put cards and leaves where they stand in their blocks, whose places are known."""
        for parent, block in self.blocks.items():
            x, y = places[parent]
            left, top = x - block.size[0] / 2, y - block.size[1] / 2
            places[parent] = (x, top + self.cards[parent][1] / 2)
            for leaf, (right, down) in block.places.items():
                places[leaf] = (left + right, top + down)

    def way_in_block(self, a: int, b: int, places: Mapping[int, Point]) -> list[Point] | None:
        """Return the line of a cable that is inside of a block; None for another."""
        if a in self.in_blocks:
            return self.blocks[b].way(places[b], places[a])[::-1]
        return self.blocks[a].way(places[a], places[b]) if b in self.in_blocks else None

    def layout(
        self,
        width: float,
        height: float,
        places: Mapping[int, Point],
        ways: Sequence[Sequence[Point]],
    ) -> Layout:
        """Put a layout program's answer into the diagram's words."""
        cards = {card.name: places[number] for number, card in enumerate(self.diagram.cards)}
        labels = tuple(None if label is None else places[label] for label in self.label)
        return Layout(width, height, cards, labels, tuple(map(tuple, ways)))


def _wider(size: tuple[float, float], inside: bool) -> tuple[float, float]:
    more = 2 * REGION_PX if inside else 0
    return size[0] + more, size[1] + more


def _distances(neighbours: Sequence[Sequence[int]], start: int) -> dict[int, int]:
    found = {start: 0}
    queue = [start]
    for one in queue:
        for other in neighbours[one]:
            if other not in found:
                found[other] = found[one] + 1
                queue.append(other)
    return found


@dataclass(frozen=True)
class _CardBlock:
    """A card and the leaves below it, in pairs of columns with an aisle in each, as one box.

    ``places`` are the middles of leaves from the block's corner.  Lines go down the
    aisles, of which ``aisles`` has the distances from the block's middle; what only
    passes the block has room in its middle.

    """

    size: tuple[float, float]
    head_px: float
    places: Mapping[int, Point]
    aisles: tuple[float, ...]

    def way(self, parent: Point, leaf: Point) -> list[Point]:
        """Return the line from the card to a leaf: down, across, down, and across."""
        aisle = min((parent[0] + aisle for aisle in self.aisles), key=lambda x: abs(x - leaf[0]))
        across = parent[1] + self.head_px / 2 + _GAP_PX / 2
        return _straight([parent, (parent[0], across), (aisle, across), (aisle, leaf[1]), leaf])


def _blocks(graph: _Graph) -> Iterator[tuple[int, _CardBlock]]:
    """Yield the cards whose leaves are put together, each with its block."""
    labelled = {
        end
        for ends, label in zip(graph.ends, graph.label, strict=True)
        if label is not None
        for end in ends
    }
    for parent, all_leaves in graph.leaves.items():
        leaves = [one for one in all_leaves if one not in labelled]
        if len(leaves) < 3:
            continue
        wide = max(graph.boxes[one][0] for one in leaves)
        tall = max(graph.boxes[one][1] for one in leaves) + _GAP_PX / 2
        # About as wide as high, for cards that are some two times wider than high.
        pairs = max(1, round(math.sqrt(len(leaves) / 7)))
        pair = 2 * (wide + _GAP_PX)
        width, head = max(pairs * pair, graph.boxes[parent][0]), graph.boxes[parent][1]
        middles = [(number - (pairs - 1) / 2) * pair for number in range(pairs)]
        places = {}
        for number, leaf in enumerate(leaves):
            row, column = divmod(number, 2 * pairs)
            side = (wide + _GAP_PX) / 2 * (1 if column % 2 else -1)
            places[leaf] = (
                width / 2 + middles[column // 2] + side,
                head + _GAP_PX + tall * row + (tall - _GAP_PX / 2) / 2,
            )
        rows = math.ceil(len(leaves) / (2 * pairs))
        yield (
            parent,
            _CardBlock((width, head + _GAP_PX + tall * rows), head, places, tuple(middles)),
        )


def _straight(points: Sequence[Point]) -> list[Point]:
    """Return a line through points as curves of Bézier."""
    return [points[0], *(point for a, b in pairwise(points) for point in (a, b, b))]


# -- graphviz: layers for trees and for many hosts at switches, forces for rings ---


def _by_graphviz(graph: _Graph) -> Layout:
    if graph.is_layered:
        return _graphviz(graph, engine="dot", rankdir="LR" if graph.is_short_row else "TB")
    # Forces come to rest in many ways: the one that is easiest to read is taken.
    ways = [{"mode": mode, "start": start} for mode in ("major", "KK") for start in _STARTS]

    def attempt(way: dict[str, str]) -> float:
        return _tangle(graph, _graphviz(graph, engine="neato", splines="line", **way))

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # each waits for a process
        tangles = list(threads.map(attempt, ways))
    best = ways[tangles.index(min(tangles))]
    round_boxes = len(graph.boxes) <= _MOST_TO_GO_ROUND
    return _graphviz(graph, engine="neato", splines="true" if round_boxes else "line", **best)


# Where boxes stand before forces move them: on a circle, or by chance, by a seed.
_STARTS = ("regular", "1")


def _graphviz(graph: _Graph, engine: str, **attributes: str) -> Layout:
    """Let a program of graphviz lay a graph out; the same on every run."""
    import graphviz

    source = graphviz.Graph(engine=engine)
    source.attr(
        "graph",
        nodesep=f"{_GAP_PX / 72:.3f}",
        ranksep=f"{_RANK_PX / 72:.3f}",
        # No overlap, and lines that go round boxes.
        overlap="prism",
        overlap_scaling="-1.6",
        sep="+12",
        esep="+6",
        **attributes,
    )
    source.attr("node", shape="box", label="", fixedsize="true")
    for number, (width, height) in enumerate(graph.boxes):
        if number not in graph.in_blocks:
            source.node(f"n{number}", width=f"{width / 72:.4f}", height=f"{height / 72:.4f}")
    for (a, b), label in zip(graph.ends, graph.label, strict=True):
        if {a, b} & graph.in_blocks:
            continue
        if graph.depth[a] > graph.depth[b]:
            a, b = b, a
        for one, other in pairwise([a, b] if label is None else [a, label, b]):
            length = (_radius(graph.boxes[one]) + _radius(graph.boxes[other]) + _LINE_PX) / 72
            # A block is entered from above, where its card is, or left by its middle.
            tail = (":s" if engine == "dot" else ":n") if one in graph.blocks else ""
            head = ":n" if other in graph.blocks else ""
            source.edge(f"n{one}{tail}", f"n{other}{head}", len=f"{length:.3f}")
    for region in graph.diagram.regions:
        # The program dot keeps those apart, and lets nobody else in.
        with source.subgraph(name=f"cluster{graph.number[region.nodes[0]]}") as inside:
            inside.attr(margin="4")
            for number in {graph.number[name] for name in region.nodes} - graph.in_blocks:
                inside.node(f"n{number}")
            for cable in region.cables:
                if graph.label[cable] is not None:
                    inside.node(f"n{graph.label[cable]}")
    try:
        # Not by source.pipe(), which waits as long as that takes.
        answer = subprocess.run(
            [engine, "-Tplain"],
            input=source.source,
            capture_output=True,
            check=True,
            encoding="utf-8",
            timeout=_LIMIT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PlaygroundError(
            f"graphviz's {engine} could not lay the picture out ({error}): reinstall graphviz, or "
            "remove it, and igraph takes its place"
        ) from error
    return _read_plain(answer.stdout, graph)


def _tangle(graph: _Graph, layout: Layout) -> float:
    """Return how hard a layout is to read.

    Lines cross, labels stand far from where the line would be, and it is larger than a page.

    """
    lines = []
    detours = 0.0
    for cable, label, ends in zip(graph.diagram.cables, layout.labels, graph.ends, strict=True):
        if graph.in_blocks.intersection(ends):
            continue
        a, b = layout.cards[cable.a], layout.cards[cable.b]
        stops = [a, b] if label is None else [a, label, b]
        pieces = list(pairwise(stops))
        lines.append(pieces)
        detours += sum(math.dist(*piece) for piece in pieces) / max(math.dist(a, b), 1) - 1
    crossings = sum(
        _cross(*one, *other)
        for pieces, others in combinations(lines, 2)
        for one in pieces
        for other in others
    )
    return crossings + 2 * detours + max(layout.width / _PAGE[0], layout.height / _PAGE[1])


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Tell whether the line from a to b crosses that from c to d."""

    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def _radius(size: tuple[float, float]) -> float:
    return (size[0] + size[1]) / 5


def _read_plain(text: str, graph: _Graph) -> Layout:
    """Read graphviz's format "plain": inches, from the bottom left."""
    places: dict[int, Point] = {}
    edges: dict[tuple[int, int], list[list[Point]]] = {}
    width = height = 0.0
    for words in map(str.split, text.splitlines()):
        if words[0] == "graph":
            width, height = float(words[2]) * 72, float(words[3]) * 72
        elif words[0] == "node":
            places[int(words[1][1:])] = (float(words[2]) * 72, height - float(words[3]) * 72)
        elif words[0] == "edge":
            numbers = [float(word) * 72 for word in words[4 : 4 + 2 * int(words[3])]]
            points = [(x, height - y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
            edges.setdefault((int(words[1][1:]), int(words[2][1:])), []).append(points)

    def way(a: int, b: int) -> list[Point]:
        """Return a piece of a cable, from the middle of one box to that of another."""
        found = edges[a, b].pop(0) if edges.get((a, b)) else edges[b, a].pop(0)[::-1]
        first, last = places[a], places[b]
        return [first, first, found[0], *found, found[-1], last, last]

    graph.unfold(places)
    ways = []
    for (a, b), label in zip(graph.ends, graph.label, strict=True):
        inside = graph.way_in_block(a, b, places)
        if inside is not None:
            ways.append(inside)
        else:
            ways.append(way(a, b) if label is None else [*way(a, label), *way(label, b)[1:]])
    return graph.layout(width, height, places, ways)


# -- igraph: layers, by the method of Sugiyama -----------------------------------


def _by_igraph(graph: _Graph) -> Layout:
    import igraph

    boxes, layers = list(graph.boxes), _layers(graph)

    def bend(layer: int) -> int:
        """Add a box without size, where a line passes a layer."""
        boxes.append((0.0, 0.0))
        layers.append(layer)
        return len(boxes) - 1

    def way(a: int, b: int, label: int | None) -> list[int]:
        """Return where a cable passes: every layer between its ends."""
        if label is None and layers[a] == layers[b]:
            label = bend(layers[a] + 1)
        found = [a]
        for stop in (b,) if label is None else (label, b):
            while abs(layers[stop] - layers[found[-1]]) > 1:
                step = 1 if layers[stop] > layers[found[-1]] else -1
                found.append(bend(layers[found[-1]] + step))
            found.append(stop)
        return found

    ways = [
        None if {a, b} & graph.in_blocks else way(a, b, label)
        for (a, b), label in zip(graph.ends, graph.label, strict=True)
    ]
    # The boxes that igraph is to know, and the numbers that it knows them by.
    known = [one for one in range(len(boxes)) if one not in graph.in_blocks]
    number = {one: place for place, one in enumerate(known)}
    edges = [(number[a], number[b]) for stops in ways if stops for a, b in pairwise(stops)]
    answer = igraph.Graph(len(known), edges).layout_sugiyama(
        layers=[layers[one] for one in known], maxiter=1000
    )
    rows: dict[int, list[int]] = {}
    for one in known:
        rows.setdefault(layers[one], []).append(one)
    units = {one: answer[place][0] for place, one in enumerate(known)}
    across = _spread(units, rows.values(), boxes)
    places: dict[int, Point] = {}
    spans = {}
    top = 0.0
    for layer in sorted(rows):
        bottom = top + max(boxes[one][1] for one in rows[layer])
        for one in rows[layer]:
            places[one] = (across[one], (top + bottom) / 2)
        spans[layer] = (top, bottom)
        top = bottom + _RANK_PX
    width = max(places[one][0] + boxes[one][0] / 2 for one in known)
    graph.unfold(places)
    lines = []
    for (a, b), stops in zip(graph.ends, ways, strict=True):
        inside = graph.way_in_block(a, b, places)
        if inside is None:
            assert stops is not None  # it is in no block
            inside = _between_layers([(places[one], spans[layers[one]]) for one in stops])
        lines.append(inside)
    return graph.layout(width, top - _RANK_PX, places, lines)


def _layers(graph: _Graph) -> list[int]:
    """Return the layer of each box: cards in even ones, labels between them."""
    layers = [2 * depth for depth in graph.depth]
    for (a, b), label in zip(graph.ends, graph.label, strict=True):
        if label is not None:
            layers.append(min(layers[a], layers[b]) + 1)
    return layers


def _spread(
    units: Mapping[int, float],
    rows: Iterable[list[int]],
    boxes: Sequence[tuple[float, float]],
) -> dict[int, float]:
    """Return places across, in pixels: for igraph, all boxes are one unit wide.

    Each row keeps its order.  A unit is as wide as most neighbours need it; where a row needs
    more, its boxes move to the right and then all of it back by as much in the mean.

    """
    rows = [sorted(row, key=lambda one: units[one]) for row in rows]

    def room(one: int, other: int) -> float:
        # Lines that only pass may be nearer to each other.
        gap = _GAP_PX if boxes[one][0] and boxes[other][0] else _GAP_PX / 2
        return (boxes[one][0] + boxes[other][0]) / 2 + gap

    pairs = [pair for row in rows for pair in pairwise(row)]
    unit = statistics.median([room(*pair) for pair in pairs]) if pairs else 1.0
    across = {one: x * unit for one, x in units.items()}
    for row in rows:
        wanted = [across[one] for one in row]
        for one, other in pairwise(row):
            across[other] = max(across[other], across[one] + room(one, other))
        moved = statistics.fmean(across[one] - x for one, x in zip(row, wanted, strict=True))
        for one in row:
            across[one] -= moved
    left = min(x - boxes[one][0] / 2 for one, x in across.items())
    return {one: x - left for one, x in across.items()}


def _between_layers(stops: Sequence[tuple[Point, tuple[float, float]]]) -> list[Point]:
    """Return a line that leaves and enters each layer upright, and so crosses no box.

    Each stop is a place, and from where to where its layer reaches.

    """
    line = [stops[0][0]]
    for (start, spans), (end, others) in pairwise(stops):
        down = end[1] > start[1]
        out = (start[0], spans[1] if down else spans[0])
        into = (end[0], others[0] if down else others[1])
        middle = (out[1] + into[1]) / 2
        line += [start, out, out, (out[0], middle), (into[0], middle), into, into, end, end]
    return line
