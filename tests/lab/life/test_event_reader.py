"""From rows of the agent's to events."""

from __future__ import annotations

from typing import Any

import pytest

from playground import Host, Link, Switch
from playground.lab.life.event_reader import EventReader
from playground.operations.diagnosis.evidence.adjacencies import BgpSession, OspfInterface, Said
from playground.operations.life.events import Event
from playground.planning.planner import make_plan


@pytest.fixture
def reader() -> EventReader:
    """h1 and www at a switch, both up."""
    home, h1, www = Switch("home"), Host("h1"), Host("www", services=["http"])
    Link(home, h1)
    Link(home, www)
    plan = make_plan([home])
    found = EventReader(plan.to_data(), {"www": {"http": [("tcp", 80), ("tcp", 443)], "x": []}})
    for node in ("h1", "www"):
        found.read(node, interface("eth0"), 0, known=True)
    found.read("www", {"ports": [["tcp", 80, True], ["tcp", 443, False]]}, 0, known=True)
    return found


def interface(name: str, up: bool = True, there: bool = True) -> dict[str, Any]:
    return {"interface": name, "up": True, "carrier": up, "there": there}


def words(events: list[Event]) -> list[str]:
    return [event.words for event in events]


def test_a_link_is_down_once_whichever_end_says_so(reader: EventReader) -> None:
    port = next(wire["a"] for wire in reader.plan["wires"] if wire["b"]["node"] == "h1")
    assert words(reader.read("h1", interface("eth0", up=False), 0)) == ["home - h1 is down"]
    assert words(reader.read("", interface(port["interface"], up=False), 0)) == []
    assert words(reader.read("h1", interface("eth0"), 0)) == []
    assert words(reader.read("", interface(port["interface"]), 0)) == ["home - h1 is up"]


def test_interfaces_of_ones_own_and_none_of_ours(reader: EventReader) -> None:
    assert words(reader.read("h1", interface("br0"), 0)) == ["br0 on h1 is up"]
    assert words(reader.read("h1", interface("br0", there=False), 0)) == ["br0 on h1 was removed"]
    assert words(reader.read("h1", interface("relay0"), 0)) == []
    assert words(reader.read("", interface("somebodys"), 0)) == []


def test_a_service_is_down_when_nothing_of_it_listens(reader: EventReader) -> None:
    def heard(*is_open: bool) -> list[str]:
        ports = [["tcp", number, one] for number, one in zip((80, 443), is_open, strict=True)]
        return words(reader.read("www", {"ports": ports}, 0))

    assert heard(False, True) == []
    assert heard(False, False) == ["http on www is down"]
    assert heard(True, True) == ["http on www is up"]


def test_a_node_dies_once_and_what_is_lost_is_counted(reader: EventReader) -> None:
    assert words(reader.read("h1", {"died": True}, 0)) == ["h1 has died"]
    assert words(reader.read("h1", {"died": True}, 0)) == []
    assert words(reader.read("h1", {"lost": 5}, 0)) == ["5 more events of h1 are not told"]


def test_a_node_that_was_made_anew_can_die_again(reader: EventReader) -> None:
    reader.read("h1", {"died": True}, 0)
    assert words(reader.made_anew(["h1"], 0)) == ["h1 was made anew"]
    assert reader.dead == set()
    assert words(reader.read("h1", {"died": True}, 0)) == ["h1 has died"]


def test_a_node_that_was_taken_out_is_no_dead_one(reader: EventReader) -> None:
    reader.read("h1", {"died": True}, 0)
    www = make_plan([Host("www", services=["http"])]).to_data()
    assert "h1 was removed" in words(reader.planned(www, {}, 0))
    assert reader.dead == set()


def test_addresses_and_routes(reader: EventReader) -> None:
    row = {"address": "10.9.0.1/24", "interface": "eth0", "there": True}
    assert words(reader.read("h1", row, 0)) == ["10.9.0.1/24 on h1 eth0 was added"]
    route = {"destination": "0.0.0.0/0", "via": "10.0.1.9", "interface": "eth0", "metric": None}
    route |= {"protocol": 4, "kind": 1, "table": 254, "source": None, "weight": 1}  # type: ignore[dict-item]
    [said] = words(reader.read("h1", {"route": route, "there": False}, 0))
    assert said == "h1: default via 10.0.1.9 dev eth0 was removed"


def test_neighbours_by_name_once_they_were_asked_before(reader: EventReader) -> None:
    def ospf(**states: str) -> Said:
        eth0 = OspfInterface("0.0.0.0", 1000, 4, 1, 1500, "POINTOPOINT", False, states=states)
        return Said(ospf={"eth0": eth0}, lines=(" ospf router-id 10.0.0.1",))

    def asked(ospf_state: str, bgp_state: str) -> list[str]:
        said = {
            "r1": ospf(**{"10.0.0.2": ospf_state}),
            "r2": Said(
                lines=(" ospf router-id 10.0.0.2",), bgp={"10.0.1.1": BgpSession(bgp_state, 1, 2)}
            ),
        }
        return words(reader.neighbours(said, 0))

    assert asked("Full", "Active") == []
    assert asked("Init", "Established") == [
        "OSPF on r1: r2 is down (Init)",
        "BGP on r2: h1 is up (Established)",
    ]
    assert asked("Full", "Established") == ["OSPF on r1: r2 is up (Full)"]
