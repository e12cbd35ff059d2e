"""Each puzzle breaks something, is explained as what it is, and can be mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from playground import puzzles
from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import BadArgument, CheckFailed
from playground.examples import coffee_shop, small_office
from playground.lab.lab import Lab

CAUSES = {
    1: ("w1", "no route"),
    2: ("w1", "wrong gateway"),
    3: ("w1", "wrong mask"),
    4: ("w1", "wrong name"),
    5: ("r1", "link down"),
    6: ("core", "no route back"),
    7: ("core", "forwarding off"),
    8: ("r2", "firewall"),
    9: ("www.example.com", "server stopped"),
    10: ("db", "duplicate address"),
    11: ("core", "mtu"),
}


@pytest.fixture(scope="module")
def lab(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    """On one engine: the notebook poses some of them on both."""
    with small_office(quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def test_every_puzzle_has_its_cause() -> None:
    assert list(CAUSES) == list(range(1, puzzles.count() + 1))


@pytest.mark.parametrize("number", CAUSES)
def test_a_puzzle_is_broken_and_mended(lab: Lab, number: int) -> None:
    puzzle = puzzles.pose(lab, number)
    try:
        with pytest.raises(CheckFailed) as failed:
            puzzle.check(within_s=0)
    finally:
        how = puzzle.mend()
    found = failed.value.explanation
    assert found is not None
    assert (found.node, found.cause) == CAUSES[number], found
    assert how == puzzle.solution() != ""
    assert puzzle.check() == "Mended."
    assert puzzle.complaint in repr(puzzle) and found.cause not in repr(puzzle)


def test_only_what_there_is_can_be_posed(lab: Lab) -> None:
    with pytest.raises(BadArgument, match="there are puzzles 1 to 11"):
        puzzles.pose(lab, 99)
    with pytest.raises(BadArgument, match="small_office"):
        puzzles.pose(coffee_shop(), 1)
    puzzle = puzzles.pose(lab)
    assert puzzle.hint().startswith("Look at ")
    puzzle.mend()
    assert puzzle.hint() == "There is nothing to find any more."
