"""A draft stands in the picture beside what runs, which stays where it is."""

from __future__ import annotations

from itertools import combinations

import pytest

from playground.frontends.web.editing.not_yet import NotYet, marked_new, with_draft
from playground.operations.pictures.diagram import Cable, Card, Diagram
from playground.operations.pictures.layout import Layout


def card(name: str, kind: str = "host") -> Card:
    return Card(name, kind, ("eth0 10.0.1.1",), name)


def cable(a: str, b: str) -> Cable:
    return Cable(a, b, (), ("eth0 10.0.1.9",), "up", "", f"{a} {b}")


def diagram(names: str, *links: str) -> Diagram:
    return Diagram("t", tuple(map(card, names)), tuple(cable(a, b) for a, b in links), ())


RUNNING = diagram("sab", "sa", "sb")
LAYOUT = Layout(
    500.0,
    300.0,
    {"s": (250.0, 40.0), "a": (100.0, 200.0), "b": (400.0, 200.0)},
    (None, (320.0, 120.0)),
    (((250.0, 40.0),) * 4, ((250.0, 40.0),) * 4),
)


def drawn(wanted: Diagram, **positions: tuple[float, float]) -> NotYet:
    return with_draft(RUNNING, LAYOUT, wanted, positions)


def test_what_is_new_is_added_behind_what_runs_and_marked() -> None:
    made = drawn(diagram("sabh", "sa", "sb", "sh"))
    assert made.diagram.cards[:3] == RUNNING.cards and made.diagram.cables[:2] == RUNNING.cables
    assert made.diagram.cards[3].notes == ("not yet",)
    assert made.marks == {"node h": {"data-draft": "new"}, "cable 2": {"data-draft": "new"}}
    assert {one: made.layout.cards[one] for one in "sab"} == {
        one: (x + made.shift[0], y + made.shift[1]) for one, (x, y) in LAYOUT.cards.items()
    }
    assert len(made.layout.ways) == len(made.layout.labels) == 3


def test_what_is_to_go_is_there_and_marked() -> None:
    marks = drawn(diagram("sa", "sa")).marks
    assert marks == {
        part: {"data-draft": "gone"} for part in ("node b", "cable 1", "label 1", "note 1")
    }


def test_a_second_link_between_two_nodes_is_new() -> None:
    made = drawn(diagram("sab", "sa", "as", "sb"))
    assert made.marks == {"cable 2": {"data-draft": "new"}}


@pytest.mark.parametrize("links", [[], ["sh", "si", "sj", "sk", "sl", "sm"], ["hi", "ij"]])
def test_new_cards_lie_upon_nothing(links: list[str]) -> None:
    made = drawn(diagram("sabhijklm", "sa", "sb", *links))
    boxes = [(made.layout.cards[one.name], one.size) for one in made.diagram.cards]
    for ((ax, ay), (aw, ah)), ((bx, by), (bw, bh)) in combinations(boxes, 2):
        assert abs(ax - bx) >= (aw + bw) / 2 or abs(ay - by) >= (ah + bh) / 2


def test_a_card_that_somebody_has_put_somewhere_is_there() -> None:
    made = drawn(diagram("sabh", "sa", "sb"), h=(250.0, 260.0))
    assert made.layout.cards["h"] == (250.0, 260.0)


def test_of_a_lab_that_is_only_drawn_all_is_new() -> None:
    made = marked_new(RUNNING, LAYOUT, {})
    assert made.marks.keys() == {"node s", "node a", "node b", "cable 0", "cable 1"}
