"""What differs between two descriptions of a lab, as events."""

from __future__ import annotations

from playground import Host, Link, Router, Switch
from playground.lab.life.plan_changes import changes
from playground.planning.plan import Plan
from playground.planning.plan_parts import StoppedNode
from playground.planning.planner import make_plan


def words(before: Plan, after: Plan) -> list[str]:
    return [event.words for event in changes(before.to_data(), after.to_data(), 0)]


def test_nodes_and_links_come_and_go() -> None:
    home, h1 = Switch("home"), Host("h1")
    Link(home, h1)
    before = make_plan([home])
    h2 = Host("h2")
    Link(h2, home)
    after = make_plan([home], previous=before)
    assert words(before, before) == []
    assert words(before, after) == ["h2 was added", "h2 - home was added"]
    assert words(after, before) == ["h2 - home was removed", "h2 was removed"]


def test_power_impairments_and_nothing_of_what_the_kernel_tells() -> None:
    h1, r1 = Host("h1"), Router("r1")
    link = Link(h1, r1)
    before = make_plan([h1])
    link.impair(delay_ms=20, loss_percent=1.5)
    link.down()
    after = make_plan([h1], previous=before).with_stopped([StoppedNode("r1")])
    said = "delay_ms=20 loss_percent=1.5"
    assert words(before, after) == [
        "r1 was stopped",
        f"h1 - r1 was changed: toward h1 {said}, toward r1 {said}",
    ]
    assert words(after, before) == [
        "r1 was started",
        "h1 - r1 was changed: toward h1 as made, toward r1 as made",
    ]
