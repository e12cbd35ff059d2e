"""Cards that were moved by hand: their cables follow, and the picture holds all of them."""

from __future__ import annotations

import pytest

from playground import Host, Lab, Link
from playground.operations.pictures.diagram import Diagram, make_diagram
from playground.operations.pictures.layout import Layout, place
from playground.operations.pictures.moved import moved


def drawn() -> tuple[Diagram, Layout]:
    a, b, c = Host("a"), Host("b"), Host("c")
    for one, other in ((a, b), (a, b), (b, c)):
        Link(one, other)
    diagram = make_diagram(Lab(a, name="moved").plan())
    return diagram, place(diagram)


def test_without_positions_of_its_cards_a_layout_is_as_it_was() -> None:
    diagram, layout = drawn()
    assert moved(layout, diagram, {}) == (layout, (0, 0))
    assert moved(layout, diagram, {"gone": (1, 2)})[0] is layout


def test_cables_go_with_a_card_and_others_stay() -> None:
    diagram, layout = drawn()
    there, _ = moved(layout, diagram, {"a": (500.0, 300.0)})
    assert there.cards["a"] == (500.0, 300.0)
    assert {name: there.cards[name] for name in "bc"} == {name: layout.cards[name] for name in "bc"}
    first, second, third = there.ways
    assert first[0] == second[0] == (500.0, 300.0) and first[-1] == layout.cards["b"]
    assert third == layout.ways[2]
    # Two cables between the same cards are seen side by side.
    assert first != second and there.labels[0] != there.labels[1]


def test_a_picture_grows_with_what_is_moved_out_of_it() -> None:
    diagram, layout = drawn()
    right, still = moved(layout, diagram, {"a": (3000.0, 100.0)})
    assert right.width > 3000 and right.cards["b"] == layout.cards["b"]
    left, shift = moved(layout, diagram, {"a": (-400.0, 100.0)})
    assert left.cards["a"][0] > 0
    assert left.cards["b"][0] - left.cards["a"][0] == pytest.approx(layout.cards["b"][0] + 400)
    assert still == (0, 0)
    assert left.cards["a"][0] == shift[0] - 400
