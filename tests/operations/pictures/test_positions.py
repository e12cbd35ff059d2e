"""Places of cards are two numbers for a name, and stay in the lab's picture and its file."""

from __future__ import annotations

from pathlib import Path

import pytest

import playground
from playground import Host, Lab, Link, TopologyError
from playground.operations.pictures.positions import check_positions


@pytest.mark.parametrize(
    "positions",
    [
        3,
        {"h1": 3},
        {"h1": (1, 2, 3)},
        {"h1": ("1", 2)},
        {"h1": (1, float("nan"))},
        {"h1": (1, 1e9)},
        {1: (1, 2)},
    ],
)
def test_what_is_no_place_is_refused(positions: object) -> None:
    with pytest.raises(TopologyError, match="lab x: "):
        check_positions("lab x", positions)


def test_nobody_has_to_say_any() -> None:
    assert check_positions("lab x", None) == {}
    assert Lab(Host("h1")).positions == {}


def test_a_picture_has_cards_where_they_were_put_and_a_file_keeps_it(tmp_path: Path) -> None:
    h1 = Host("h1")
    Link(h1, Host("h2"))
    lab = Lab(h1, name="put", positions={"h1": (400, 300), "gone": (1, 1)})
    assert lab.picture().layout.cards["h1"] == (400, 300)
    lab.positions = {"h1": (500, 300)}
    assert lab.picture().layout.cards["h1"] == (500, 300)
    again = playground.load(lab.save(tmp_path / "put.yaml"), quiet=True)
    assert again.positions == {"h1": (500, 300)}
    with pytest.raises(TopologyError, match="no place"):
        lab.positions = {"h1": "there"}
