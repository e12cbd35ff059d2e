"""A lab's living picture: what changes in the network changes in it, and nothing else is sent."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import pytest

from playground import Host, Lab, Link, Router, Switch
from playground.operations.pictures.live import LivePicture


def parts(svg: str) -> set[str]:
    return {
        name for item in ElementTree.fromstring(svg).iter() if (name := item.get("data-part", ""))
    }


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    home, r1, www = Switch("home"), Router("r1"), Host("www", services=["http"])
    for node in (r1, Host("h1"), Host("h2")):
        Link(home, node)
    Link(r1, www)
    with Lab(home, name="live-picture", engine="namespaces", quiet=True) as lab:
        yield lab


def test_a_lab_that_was_not_started_rests() -> None:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    picture = LivePicture(Lab(h1, name="live-rests", quiet=True))
    change = picture.change()
    assert change.svg is not None
    assert {"lab", "node h1", "node h2", "cable 0", "note 0"} <= parts(change.svg)
    assert change.attributes == {"lab": {"data-state": "rests"}}
    assert picture.change().svg is None


def test_the_first_look_tells_all_and_the_next_nothing(lab: Lab) -> None:
    picture = LivePicture(lab, slow_pause_s=0)
    first = picture.change()
    assert first.svg is not None
    unnamed = {part for part in first.attributes if part.startswith("label ")}
    assert set(first.attributes) - unnamed <= parts(first.svg)
    states = {part: said["data-state"] for part, said in first.attributes.items()}
    assert states["node www"] == "answers"
    assert (states["node h1"], states["cable 0"], states["lab"]) == ("up", "up", "runs")
    assert picture.change().svg is None
    whole = picture.whole()
    assert whole.svg == first.svg
    assert whole.attributes.keys() == first.attributes.keys()


def test_what_is_done_to_a_link_is_seen(lab: Lab) -> None:
    picture = LivePicture(lab, slow_pause_s=0)
    picture.change()
    link = lab.link("home", "h1")
    number = next(
        number for number, wire in enumerate(lab.plan().wires) if "h1" in (wire.a.node, wire.b.node)
    )
    link.down()
    assert picture.change().attributes[f"note {number}"] == {"data-state": "down", "text": "down"}
    link.up()
    assert picture.change().attributes[f"note {number}"] == {"data-state": "up", "text": ""}
    link.impair(delay_ms=20, toward="h1")
    seen = picture.change().attributes[f"note {number}"]
    assert seen == {"data-state": "impaired", "text": "20 ms to h1"}
    link.restore()
    assert picture.change().attributes[f"cable {number}"]["data-state"] == "up"


def test_traffic_moves_on_the_links_that_carry_it(lab: Lab) -> None:
    picture = LivePicture(lab, slow_pause_s=0)
    picture.change()
    lab["h1"].ping(lab["www"], count=3, interval_s=0.01)
    change = picture.change().attributes
    wires = lab.plan().wires
    busy = {
        frozenset((wire.a.node, wire.b.node))
        for number, wire in enumerate(wires)
        if "data-a" in (said := change.get(f"cable {number}", {})) and "data-b" in said
    }
    wanted = {frozenset(pair) for pair in (("home", "h1"), ("home", "r1"), ("r1", "www"))}
    assert wanted <= busy
    assert frozenset(("home", "h2")) not in busy


def test_a_service_that_stops_makes_its_node_silent(lab: Lab) -> None:
    picture = LivePicture(lab, slow_pause_s=0)
    picture.change()
    service = lab["www"].services["http"]
    service.stop()
    silent = picture.change().attributes["node www"]
    assert silent["data-state"] == "silent"
    assert "does not listen: http" in silent["title"]
    service.start()
    assert picture.change().attributes["node www"]["data-state"] == "answers"


def test_a_node_that_is_stopped_is_gone_until_it_starts(lab: Lab) -> None:
    picture = LivePicture(lab, slow_pause_s=0)
    picture.change()
    lab["h2"].stop()
    gone = picture.change().attributes["node h2"]
    assert gone["data-state"] == "gone"
    assert gone["title"].endswith("it is stopped, or has ended")
    lab["h2"].start()
    assert picture.change().attributes["node h2"]["data-state"] == "up"


def test_a_lab_that_grows_is_drawn_anew_and_one_that_stops_rests() -> None:
    home = Switch("home")
    Link(home, Host("h1")), Link(home, Host("h2"))
    lab = Lab(home, name="live-grows", engine="namespaces", quiet=True).start()
    try:
        picture = LivePicture(lab, slow_pause_s=0)
        picture.change()
        Link(home, Host("h3"))
        assert picture.change().svg is None  # it does not run yet
        lab.start()
        grown = picture.change()
        assert grown.svg is not None
        assert "node h3" in parts(grown.svg)
        assert grown.attributes["node h3"]["data-state"] == "up"
    finally:
        lab.stop()
    ended = picture.change()
    assert (ended.svg, ended.attributes) == (None, {"lab": {"data-state": "rests"}})
