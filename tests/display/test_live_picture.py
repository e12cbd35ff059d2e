"""What was seen of a lab, as attributes of its picture."""

from __future__ import annotations

import pytest

from playground.display.live_picture import (
    CableLook,
    LabLook,
    NodeLook,
    attributes,
    differences,
    pause_s,
    rate_words,
    traffic_level,
)


@pytest.mark.parametrize(
    ("cable", "state", "note"),
    [
        (CableLook(), "up", ""),
        (CableLook(up=False), "down", "down"),
        (CableLook(blocked="s1"), "blocked", "blocked"),
        (CableLook(impaired="20 ms"), "impaired", "20 ms"),
        (CableLook(up=False, blocked="s1", impaired="20 ms"), "down", "down"),
        (CableLook(blocked="s1", impaired="20 ms"), "blocked", "blocked"),
    ],
)
def test_a_cable_shows_the_gravest_thing(cable: CableLook, state: str, note: str) -> None:
    wanted = attributes(LabLook(0.0, (cable,)))
    assert wanted["cable 0"]["data-state"] == state
    assert wanted["label 0"]["data-state"] == state
    assert wanted["note 0"] == {"data-state": state, "text": note}


@pytest.mark.parametrize(
    ("node", "state"),
    [
        (NodeLook(), "up"),
        (NodeLook(services={"http": True, "ssh": True}), "answers"),
        (NodeLook(services={"http": False, "ssh": True}), "silent"),
        (NodeLook(alive=False, services={"http": True}), "gone"),
    ],
)
def test_a_node_shows_whether_its_services_answer(node: NodeLook, state: str) -> None:
    wanted = attributes(LabLook(0.0, nodes={"h1": node}), titles={"node h1": "h1, a host"})
    assert wanted["node h1"]["data-state"] == state
    assert wanted["node h1"]["title"].startswith("h1, a host")
    assert ("http" in wanted["node h1"]["title"]) == (state == "silent")


def test_traffic_is_what_was_counted_between_two_looks() -> None:
    first = LabLook(10.0, (CableLook(bytes_to_a=500, bytes_to_b=1000),))
    then = LabLook(12.0, (CableLook(bytes_to_a=500, bytes_to_b=3_501_000),))
    wanted = attributes(then, first, {"cable 0": "h1 eth0 — h2 eth0"})["cable 0"]
    assert (wanted["data-a"], wanted["data-b"]) == ("0", "5")
    assert wanted["title"] == "h1 eth0 — h2 eth0\nnow 14 Mbit/s →, 0 bit/s ←"


@pytest.mark.parametrize(
    "before",
    [None, LabLook(0.0), LabLook(0.0, (CableLook(bytes_to_a=9, bytes_to_b=9),)), LabLook(1.0)],
    ids=["first look", "not there before", "counted anew", "at the same time"],
)
def test_no_traffic_is_shown_that_is_not_known(before: LabLook | None) -> None:
    now = LabLook(1.0, (CableLook(bytes_to_a=8, bytes_to_b=8),))
    wanted = attributes(now, before)["cable 0"]
    assert (wanted["data-a"], wanted["data-b"]) == ("0", "0")


def test_only_what_changed_is_sent() -> None:
    nodes = {"h1": NodeLook(), "h2": NodeLook()}
    shown = attributes(LabLook(0.0, (CableLook(), CableLook()), nodes))
    wanted = attributes(LabLook(1.0, (CableLook(), CableLook(up=False)), nodes))
    assert differences({}, wanted) == wanted
    assert differences(wanted, wanted) == {}
    assert differences(shown, wanted).keys() == {"cable 1", "label 1", "note 1"}


def test_a_lab_that_ends_is_told() -> None:
    shown, wanted = attributes(LabLook(0.0)), attributes(LabLook(1.0, state="rests"))
    assert differences(shown, wanted) == {"lab": {"data-state": "rests"}}


def test_levels_grow_with_the_rate() -> None:
    levels = [traffic_level(10.0**power) for power in range(-1, 11)]
    assert levels == sorted(levels)
    assert (levels[0], levels[-1]) == (0, 7)


@pytest.mark.parametrize(
    ("rate", "words"),
    [(0, "0 bit/s"), (784, "784 bit/s"), (9_400, "9.4 kbit/s"), (2.5e9, "2.5 Gbit/s")],
)
def test_rates_are_said_as_people_do(rate: float, words: str) -> None:
    assert rate_words(rate) == words


@pytest.mark.parametrize("took_s", [0.0, 0.001, 0.02, 0.1])
def test_looks_take_at_most_a_fiftieth_of_a_processor(took_s: float) -> None:
    assert took_s / (took_s + pause_s(took_s)) <= 0.0201
    assert pause_s(1000) == 5
