"""The word on a shaded realm hides nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from playground import Lab, examples
from playground.operations.pictures.diagram import ROW_PX, text_width
from playground.operations.pictures.layout import place
from playground.operations.pictures.realm_shapes import Box, places_of_words

PLACES = [
    (make, by)
    for make in (examples.miniature_internet, examples.coffee_shop)
    for by in ("graphviz", "igraph")
]


@pytest.mark.parametrize(("make", "by"), PLACES)
def test_a_word_on_a_realm_hides_no_machine_and_no_label(make: Callable[..., Lab], by: str) -> None:
    diagram = make(quiet=True).picture().diagram
    layout = place(diagram, by)
    there = [Box.around(layout.cards[card.name], card.size) for card in diagram.cards]
    there += [
        Box.around(where, cable.size)
        for cable, where in zip(diagram.cables, layout.labels, strict=True)
        if where is not None
    ]
    assert diagram.regions
    for region, middle in zip(diagram.regions, places_of_words(diagram, layout), strict=True):
        word = Box.around(middle, (text_width(region.word), ROW_PX - 3))
        assert not any(word.overlaps(box) for box in there)
        own = [Box.around(layout.cards[name], (0, 0)) for name in region.nodes]
        assert min(box.left for box in own) - 80 < middle[0] < max(box.right for box in own) + 80
        there.append(word)
