"""Settings of ports: what may be said, and what comes of it in a running lab."""

from __future__ import annotations

import time

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import TopologyError
from playground.lab.credentials import Credentials
from playground.lab.lab import Lab
from playground.lab.lab_as_json import load, save
from playground.model.switch_ports import PortSettings
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import make_plan
from tests.facts import assert_can_ping, assert_cannot_ping


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"cost": 0}, "cost=0 is no whole number from 1 to 65535"),
        ({"cost": True}, "cost=True is no whole number"),
        ({"priority": 64}, "priority=64 is no whole number from 0 to 63"),
        ({"isolated": 1}, "isolated=1 is neither"),
    ],
)
def test_what_cannot_be_is_refused(said: dict[str, object], words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        PortSettings(**said)


def test_another_switchs_link_is_refused() -> None:
    one, other, host = Switch("one"), Switch("other"), Host("h")
    link = Link(other, host)
    with pytest.raises(TopologyError, match="is no link of this switch"):
        one.set_port(link, cost=5)


def test_what_was_said_stays_stands_in_the_plan_and_is_saved() -> None:
    switch, host = Switch("s"), Host("h")
    link = Link(switch, host)
    switch.set_port(link, cost=5)
    switch.set_port(link, isolated=True)
    assert switch.port_settings[link] == PortSettings(cost=5, isolated=True)
    plan = make_plan([switch])
    assert plan.switches[0].as_shell() == (
        "bridge link set dev h-eth0 cost 5 priority 32 isolated on",
    )
    saved = load(save([switch, host], plan, Credentials.make()))
    assert [*saved.nodes[0].port_settings.values()] == [PortSettings(cost=5, isolated=True)]


def test_guests_see_the_way_out_and_nobody_else(namespaces_engine: NamespacesEngine) -> None:
    hotel, door = Switch("hotel"), Router("door")
    guests = [Host(f"guest{number}") for number in (1, 2)]
    Link(hotel, door)
    rooms = [Link(hotel, guest) for guest in guests]
    hotel.set_port(rooms[0], isolated=True)
    with Lab(hotel, quiet=True, engine=namespaces_engine) as lab:
        assert_can_ping(guests[0], guests[1])
        hotel.set_port(rooms[1], isolated=True)
        assert_cannot_ping(guests[0], guests[1])
        for guest in guests:
            assert_can_ping(guest, door)
        hotel.set_port(rooms[0], isolated=False)
        assert_can_ping(guests[0], guests[1])
        lab.remove(rooms[0])
        assert set(hotel.port_settings) == {rooms[1]}
        assert_can_ping(guests[1], door)


def test_the_cost_of_a_port_decides_which_way_a_tree_takes(
    namespaces_engine: NamespacesEngine,
) -> None:
    root, leaf = Switch("root", stp=True, priority=0), Switch("leaf", stp=True)
    first, second = Link(root, leaf), Link(root, leaf)
    Link(leaf, Host("h"))
    leaf.set_port(first, cost=100)
    with Lab(root, quiet=True, engine=namespaces_engine):

        def blocked() -> list[str]:
            return [row.port for row in leaf.ports() if row.state == "blocking"]

        ports = [row.port for row in leaf.ports()]
        assert blocked() == [ports[0]]
        leaf.set_port(second, cost=200)
        deadline = time.monotonic() + 30
        while blocked() != [ports[1]]:
            assert time.monotonic() < deadline, leaf.ports()
            time.sleep(0.1)
