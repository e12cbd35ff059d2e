"""Nothing overlaps, in networks of many kinds, whichever program lays them out."""

from __future__ import annotations

import shutil
from itertools import combinations
from pathlib import Path

import pytest

from playground.errors import PlaygroundError
from playground.operations.network import Link, Router
from playground.operations.pictures import layout
from playground.operations.pictures.diagram import make_diagram
from playground.operations.pictures.layout import Layout, Point, place
from playground.planning.planner import make_plan
from tests.topologies import TOPOLOGIES, nodes_of

PROGRAMS = [
    pytest.param(
        "graphviz", marks=pytest.mark.skipif(not shutil.which("dot"), reason="there is no dot")
    ),
    "igraph",
]


class Box:
    """A rectangle by its middle."""

    def __init__(self, name: str, middle: Point, size: tuple[float, float]) -> None:
        self.name = name
        self.left, self.right = middle[0] - size[0] / 2, middle[0] + size[0] / 2
        self.top, self.bottom = middle[1] - size[1] / 2, middle[1] + size[1] / 2

    def overlaps(self, other: Box) -> bool:
        return (
            min(self.right, other.right) - max(self.left, other.left) > 0
            and min(self.bottom, other.bottom) - max(self.top, other.top) > 0
        )

    def holds(self, point: Point, inner_px: float) -> bool:
        x, y = point
        return (
            self.left + inner_px < x < self.right - inner_px
            and self.top + inner_px < y < self.bottom - inner_px
        )


def points_on(way: tuple[Point, ...]) -> list[Point]:
    """Return points along curves of Bézier."""
    found = []
    for start in range(0, len(way) - 1, 3):
        a, b, c, d = way[start : start + 4]
        for step in range(7):
            t = step / 6
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            corners = list(zip((a, b, c, d), weights, strict=True))
            found.append((sum(p[0] * w for p, w in corners), sum(p[1] * w for p, w in corners)))
    return found


@pytest.mark.parametrize("by", PROGRAMS)
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_nothing_overlaps(name: str, by: str) -> None:
    nodes = nodes_of(name)
    diagram = make_diagram(make_plan(nodes), nodes)
    found = place(diagram, by)
    cards = {card.name: Box(card.name, found.cards[card.name], card.size) for card in diagram.cards}
    labels = {
        number: Box(f"label of {cable.a}--{cable.b}", where, cable.size)
        for number, (cable, where) in enumerate(zip(diagram.cables, found.labels, strict=True))
        if where is not None
    }
    assert set(labels) == {number for number, cable in enumerate(diagram.cables) if cable.rows}
    boxes = [*cards.values(), *labels.values()]
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other), f"{one.name} overlaps {other.name}"
    for box in boxes:
        assert box.left >= -0.5 and box.right <= found.width + 0.5, box.name
        assert box.top >= -0.5 and box.bottom <= found.height + 0.5, box.name
    for number, (cable, way) in enumerate(zip(diagram.cables, found.ways, strict=True)):
        assert len(way) % 3 == 1
        assert cards[cable.a].holds(way[0], 0), cable
        assert cards[cable.b].holds(way[-1], 0), cable
        own = {cards[cable.a], cards[cable.b], labels.get(number)}
        # A line that runs through a card would seem to end there.
        points = points_on(way)
        for box in set(boxes) - own:
            through = [point for point in points if box.holds(point, 3)]
            assert not through, f"{cable.a}--{cable.b} runs through {box.name}"


@pytest.mark.parametrize("by", PROGRAMS)
def test_it_is_the_same_on_every_run(by: str) -> None:
    def once() -> Layout:
        nodes = nodes_of("ring of routers")
        return place(make_diagram(make_plan(nodes), nodes), by)

    assert once() == once()


@pytest.mark.skipif(not shutil.which("dot"), reason="there is no dot")
def test_a_large_mesh_is_drawn_too() -> None:
    # With lines that go round boxes graphviz would take minutes.
    routers = [Router(f"r{number}") for number in range(120)]
    for number, router in enumerate(routers):
        Link(router, routers[(number + 1) % 120], subnet=f"10.0.{number}.0/24")
        Link(router, routers[(number * 7 + 3) % 120], subnet=f"10.1.{number}.0/24")
    found = place(make_diagram(make_plan(routers), routers), "graphviz")
    assert set(found.cards) == {router.name for router in routers}


def test_without_any_program_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout.importlib.util, "find_spec", lambda name: None)
    nodes = nodes_of("two hosts")
    with pytest.raises(PlaygroundError, match="pip install igraph"):
        place(make_diagram(make_plan(nodes), nodes))


@pytest.mark.parametrize("does", ["exit 1", "exec sleep 1000"])
def test_a_dot_that_does_not_work_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, does: str
) -> None:
    if does != "exit 1":
        monkeypatch.setattr(layout, "_LIMIT_S", 0.1)
    (tmp_path / "dot").write_text(f"#!/bin/sh\n{does}\n")
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    nodes = nodes_of("two hosts")
    with pytest.raises(PlaygroundError, match="graphviz's dot could not lay the picture out"):
        place(make_diagram(make_plan(nodes), nodes))


def test_without_dot_it_is_igraph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    nodes = nodes_of("two homes")
    diagram = make_diagram(make_plan(nodes), nodes)
    assert place(diagram) == place(diagram, "igraph")
