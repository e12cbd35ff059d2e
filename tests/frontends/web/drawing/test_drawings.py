"""The right to a drawing is one to the lab that it began, and to no other of that name."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.frontends.web.drawing.drawing import Drawing
from playground.frontends.web.drawing.drawings import Drawings
from playground.frontends.web.rights import Right
from playground.frontends.web.served_labs import ServedLabs


@pytest.fixture
def drawing(tmp_path: Path) -> Drawing:
    return Drawing(tmp_path / "net.yaml", ServedLabs())


@pytest.fixture
def drawings(drawing: Drawing) -> Drawings:
    found = Drawings()
    found.add(drawing)
    return found


def test_who_has_its_right_or_that_to_all_labs_draws(drawings: Drawings, drawing: Drawing) -> None:
    assert drawings.find("net", [drawing.right]) is drawing
    assert drawings.find("net", [Right(may_change=True)]) is drawing
    for other in (
        Right("net", True),
        Right("draw/net", True),
        Right(),
        Right("draw/net", True, "x"),
    ):
        assert drawings.find("net", [other]) is None
    assert drawings.find("other", [drawing.right]) is None


def test_it_is_a_right_to_the_lab_that_was_started_from_it(
    drawings: Drawings, drawing: Drawing
) -> None:
    assert drawings.widened([drawing.right]) == {drawing.right}
    drawing.began = "net-1 0"
    assert drawings.widened([drawing.right]) == {drawing.right, Right("net", True, "net-1 0")}
    assert drawings.widened([Right("net")]) == {Right("net")}
    assert drawings.of_lab("net", "net-1 0") is drawing
    assert drawings.of_lab("net", "net-2 0") is None
    assert drawings.of_lab("net", "") is None
