"""Engines of the machines of a swarm: where they are."""

from __future__ import annotations

import pytest

from playground.engines.swarm.machine_engines import engine_url, way_like, way_to_machines
from playground.engines.swarm.manager import SwarmNode
from playground.errors import EngineError
from playground.planning.placement.shapes import Demand, MachineRoom


def machine(address: str) -> SwarmNode:
    room = MachineRoom("m2", Demand(1, 1, 1))
    return SwarmNode("id-2", "m2", room, True, True, False, address, "28.2")


@pytest.mark.parametrize(
    ("manager", "machines"),
    [
        ("ssh://root@manager", "ssh://root@{address}"),
        ("ssh://manager", "ssh://{address}"),
        ("ssh://ann@[2001:db8::1]", "ssh://ann@{address}"),
        ("ssh://ann@[2001:db8::1]:22", "ssh://ann@{address}:22"),
        ("tcp://manager:2376", None),
        ("", None),
    ],
)
def test_machines_are_reached_as_their_manager_is_by_ssh(
    manager: str, machines: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLAYGROUND_MACHINES", raising=False)
    assert way_like(manager) == machines
    monkeypatch.setenv("DOCKER_HOST", manager)
    assert way_to_machines(None) == machines


def test_what_is_said_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYGROUND_MACHINES", "tcp://{name}:2376")
    way = way_to_machines("ssh://manager")
    assert way is not None
    assert engine_url(way, machine("192.0.2.12")) == "tcp://m2:2376"


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    url = engine_url("ssh://root@{address}", machine("2001:db8::2"))
    assert url == "ssh://root@[2001:db8::2]"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("root@{address}", "begins with ssh://"),
        ("ssh://root@m2", "has to lead to each machine"),
        ("ssh://{user}@{address}", "has to lead to each machine"),
        ("ssh://{}", "has to lead to each machine"),
        ("ssh://{address", "has to lead to each machine"),
    ],
)
def test_a_way_to_nowhere_is_refused(
    said: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAYGROUND_MACHINES", said)
    with pytest.raises(EngineError, match=words):
        way_to_machines(None)
