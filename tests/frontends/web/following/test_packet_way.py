"""A packet's way over the picture is what `lab.explain` found, through the switches between."""

from __future__ import annotations

from playground import Host, Lab, Link, Router, Switch
from playground.display.tables import Table
from playground.frontends.web.following.packet_way import Passage, Stop, packet_way
from playground.operations.diagnosis.evidence.explanation import Explanation, Step
from playground.operations.pictures.diagram import Diagram, make_diagram

OK = (
    Step("h1", "name", "www is 10.0.2.2"),
    Step("h1", "route", "default via 10.0.1.1"),
    Step("r", "route", "10.0.2.0/24 dev eth1"),
    Step("www", "socket", "listens on 0.0.0.0:80"),
    Step("www", "route back", "default via 10.0.2.1"),
    Step("r", "route back", "10.0.1.0/24 dev eth0"),
    Step("h1", "answer", "came after 1.4 ms"),
)


def network() -> Diagram:
    """h1 - home = far - r - www, with two cables between the switches."""
    home, far, r = Switch("home", stp=True), Switch("far", stp=True), Router("r")
    for a, b in ((home, Host("h1")), (home, far), (home, far), (far, r), (r, Host("www"))):
        Link(a, b)
    return make_diagram(Lab(home, name="way").plan())


def explanation(steps: tuple[Step, ...], **values: object) -> Explanation:
    plain = {"question": "", "node": "", "cause": "", "sentence": "", "advice": ""}
    path = {"path": ("h1", "r", "www"), "path_back": ("www", "r", "h1")}
    return Explanation(**{**plain, **path, **values}, steps=Table(steps))


def cables(diagram: Diagram) -> dict[frozenset[str], list[int]]:
    found: dict[frozenset[str], list[int]] = {}
    for number, cable in enumerate(diagram.cables):
        found.setdefault(frozenset((cable.a, cable.b)), []).append(number)
    return found


def test_it_goes_there_and_back_through_switches_and_each_row_is_told_once() -> None:
    diagram = network()
    steps = packet_way(explanation(OK), diagram)
    stops = [step for step in steps if isinstance(step, Stop)]
    there = ["h1", "home", "far", "r", "www"]
    assert [stop.node for stop in stops] == there + there[-2::-1]
    assert [row for stop in stops for row in stop.rows] == list(OK)
    assert [stop.way for stop in stops] == ["there"] * 5 + ["back"] * 4
    assert not any(stop.fault for stop in stops)
    said = [stop.said for stop in stops]
    assert said == [
        "default via 10.0.1.1",
        "",
        "",
        "10.0.2.0/24 dev eth1",
        "listens on 0.0.0.0:80",
        "10.0.1.0/24 dev eth0",
        "",
        "",
        "answer came after 1.4 ms",
    ]


def test_between_two_stops_lies_the_cable_that_leads_there() -> None:
    diagram = network()
    steps = packet_way(explanation(OK), diagram)
    for before, step, after in zip(steps, steps[1:], steps[2:], strict=False):
        if isinstance(step, Passage):
            cable = diagram.cables[step.cable]
            assert {cable.a, cable.b} == {before.node, after.node}
            assert step.toward == after.node


def test_a_cable_that_a_spanning_tree_has_closed_is_not_taken() -> None:
    diagram = network()
    first, second = cables(diagram)[frozenset(("home", "far"))]
    for closed, taken in ((first, second), (second, first)):
        steps = packet_way(explanation(OK), diagram, {closed})
        used = {step.cable for step in steps if isinstance(step, Passage)}
        assert taken in used and closed not in used


def test_where_it_stops_is_the_last_stop_with_the_reason() -> None:
    rows = (*OK[:2], Step("r", "rule", "drop", ok=False), Step("r", "cause", "firewall", ok=False))
    found = explanation(rows, node="r", cause="firewall", path=("h1", "r"), path_back=())
    steps = packet_way(found, network())
    assert steps[-1] == Stop("r", "there", (rows[2],), fault=True, said="firewall")


def test_a_switch_may_be_where_it_stops() -> None:
    found = explanation(OK[:2], node="far", cause="switch", path=("h1",), path_back=())
    stops = [step for step in packet_way(found, network()) if isinstance(step, Stop)]
    assert [stop.node for stop in stops] == ["h1", "home", "far"]
    assert stops[-1].fault


def test_an_answer_that_is_lost_stops_on_its_way_back() -> None:
    found = explanation(OK[:5], node="r", cause="no route back", path_back=("www", "r"))
    steps = packet_way(found, network())
    assert steps[-1].fault and steps[-1].way == "back" and steps[-1].node == "r"


def test_a_name_that_means_nothing_is_lost_where_it_was_asked() -> None:
    row = Step("h1", "name", "www means nothing", ok=False)
    found = explanation((row,), node="h1", cause="name unknown", path=(), path_back=())
    (stop,) = packet_way(found, network())
    assert stop.fault and stop.rows == (row,)


def test_a_node_that_the_picture_has_not_is_passed_over() -> None:
    found = explanation(OK, path=("h1", "elsewhere", "r", "www"))
    assert "elsewhere" not in [getattr(step, "node", "") for step in packet_way(found, network())]
