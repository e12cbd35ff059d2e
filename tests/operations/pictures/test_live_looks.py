"""Looks at a running lab: few questions, and the same answers as many would give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from playground import Host, Lab, Link, Router, Switch
from playground.operations.connection.client import Client
from playground.operations.network import Machine
from playground.operations.pictures.live_looks import cable_look, look_at_links, look_at_nodes
from playground.operations.pictures.picture import look
from playground.planning.plan_parts import WireEnd


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    home, r1, r2 = Switch("home"), Router("r1"), Router("r2")
    for node in (r1, Host("h1", services=["http"]), Host("h2")):
        Link(home, node)
    Link(r1, r2)
    with Lab(home, name="live-looks", engine="namespaces", quiet=True) as lab:
        yield lab


@pytest.fixture
def asked(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return the questions that the agent was asked, and of how many things each was."""
    found: list[tuple[str, int]] = []
    call = Client.call

    def noted(client: Client, op: str, /, **said: Any) -> Any:
        found.append((op, len(next(iter(said.values()), ()))))
        return call(client, op, **said)

    monkeypatch.setattr(Client, "call", noted)
    return found


def agent_of(lab: Lab) -> Client:
    return lab.node("h1").running().agent


def test_it_sees_what_asking_for_each_end_sees(lab: Lab) -> None:
    agent, nodes = agent_of(lab), lab.nodes
    lab["h1"].ping("r2", count=2, interval_s=0.01)  # type: ignore[union-attr]
    cheap, dear = look_at_links(agent, nodes, {}), look(agent, nodes)
    assert cheap.keys() == dear.keys()
    for pair, seen in cheap.items():
        assert (seen.up, seen.toward_a, seen.toward_b) == (
            dear[pair].up,
            dear[pair].toward_a,
            dear[pair].toward_b,
        )
        # Some frame may have passed between the two.
        assert 0 <= dear[pair].bytes_to_a - seen.bytes_to_a < 2000
        assert 0 <= dear[pair].bytes_to_b - seen.bytes_to_b < 2000


def test_all_ends_in_one_network_are_one_question(lab: Lab, asked: list[tuple[str, int]]) -> None:
    agent, nodes = agent_of(lab), lab.nodes
    before = look_at_links(agent, nodes, {})
    assert ("impaired", 8) in asked
    asked.clear()
    look_at_links(agent, nodes, before)
    assert asked == [("link_states", 2)]  # the switch's, and that of a router


def test_a_link_that_is_impaired_is_asked_for_each_time(
    lab: Lab, asked: list[tuple[str, int]]
) -> None:
    agent, nodes = agent_of(lab), lab.nodes
    before = look_at_links(agent, nodes, {})
    link = lab.link("home", "h1")
    link.impair(delay_ms=20)
    asked.clear()
    now = look_at_links(agent, nodes, before)
    assert ("impaired", 2) in asked
    assert {seen.toward_a.delay_ms for seen in now.values() if seen.toward_a} == {20}
    link.restore()
    again = look_at_links(agent, nodes, now)
    assert not any(seen.toward_a or seen.toward_b for seen in again.values())


def test_an_interface_that_a_host_set_down_by_hand_is_down(lab: Lab) -> None:
    agent, nodes = agent_of(lab), lab.nodes
    host = lab.node("h2")
    host.run("ip link set eth0 down")
    seen = look_at_links(agent, nodes, {})
    assert [{a.node, b.node} for (a, b), one in seen.items() if not one.up] == [{"home", "h2"}]
    host.run("ip link set eth0 up")
    assert all(one.up for one in look_at_links(agent, nodes, {}).values())


def test_services_are_seen_by_their_ports(lab: Lab) -> None:
    live = {node.name: node._live for node in lab.nodes if isinstance(node, Machine)}
    found = look_at_nodes(agent_of(lab), {**live, "gone": None})
    assert found["h1"].services == {"http": True}
    assert found["h2"].services == {}
    assert found["h2"].alive
    assert not found["gone"].alive


def test_a_link_that_nobody_has_seen_passes_nothing() -> None:
    assert cable_look(WireEnd("h1", "eth0"), WireEnd("h2", "eth0"), None).state == "down"
