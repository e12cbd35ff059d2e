"""Nodes as services."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from playground.agent.machines.numbers import global_pid, machine_number
from playground.display.progress import Silent
from playground.engines.seam import LabLabels, NodeContainer
from playground.engines.swarm.manager import Manager
from playground.engines.swarm.nodes import _late, _refuse_failed, processes, start_nodes
from playground.errors import EngineError, NodeDied

NODE_ID = "ob781i31ec1bfrbowc61hz6iq"


def task(state: str, **status: Any) -> dict[str, Any]:
    return {"NodeID": NODE_ID, "Status": {"State": state, **status}}


def test_processes_have_numbers_among_all_machines() -> None:
    tasks = {"h1": task("running", ContainerStatus={"PID": 42}), "h2": task("preparing")}
    assert processes(tasks) == {"h1": global_pid(machine_number(NODE_ID), 42)}


def test_a_task_that_ended_is_said_in_swarm_s_words() -> None:
    with pytest.raises(NodeDied, match=r"h1 ended as soon as it was started \(no such image\)"):
        _refuse_failed(["h1"], {"h1": task("rejected", Err="no such image")})
    _refuse_failed(["h1", "h2"], {"h1": task("running")})


def test_an_account_that_an_image_lacks_is_said_as_by_docker() -> None:
    said = "starting container failed: unable to find user nosuch: no matching entries in passwd"
    with pytest.raises(EngineError, match=r"h1: its image has no user 'nosuch'.* mend user="):
        _refuse_failed(["h1"], {"h1": task("failed", Err=said)})


def test_who_is_late_is_named_with_what_swarm_says() -> None:
    said = _late(["h1", "h2"], {"h1": 1}, {"h2": task("pending", Message="no suitable node")})
    assert "1 of 2 machines have not started" in said
    assert "of h2 Swarm says: no suitable node" in said


class Flapping:
    """A manager, its engine and their line, where Swarm takes the first tasks of a node away."""

    def __init__(self, taken: int) -> None:
        self.server, self.taken = self, taken
        self.services: dict[str, str] = {}
        self.made = 0

    def machines(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="m1", id=NODE_ID)]

    def errors(self, doing: str) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def each(self, items: list[Any], work: Callable[[Any, Any], None]) -> None:
        for item in items:
            work(self, item)

    def request(self, method: str, path: str, body: Any, headers: Any) -> dict[str, str]:
        assert body["Name"] not in self.services.values(), "the name is in use"
        self.made += 1
        self.services[f"s{self.made}"] = body["Name"]
        return {"ID": f"s{self.made}"}

    def remove(self, services: list[str]) -> None:
        for one in services:
            for key in [k for k, name in self.services.items() if one in (k, name)]:
                del self.services[key]

    def tasks(self, label: str) -> list[dict[str, Any]]:
        state = "shutdown" if self.made <= self.taken else "running"
        row = task(state, ContainerStatus={"PID": 42})
        return [row | {"ServiceID": key, "CreatedAt": ""} for key in self.services]


def start(manager: Flapping) -> dict[str, int]:
    node = NodeContainer("h1", "h1", "base:1", machine="m1")
    lab = LabLabels("lab-1", "lab", "me@here:1")
    return start_nodes(cast(Manager, manager), lab, [node], Silent(), {}, "helper:1")


def test_what_swarm_takes_from_its_machine_is_started_anew() -> None:
    manager = Flapping(taken=2)
    assert start(manager).keys() == {"h1"}
    assert manager.services.keys() == {"s3"}


def test_what_it_takes_again_and_again_is_given_up() -> None:
    manager = Flapping(taken=99)
    with pytest.raises(NodeDied, match="h1 was taken from its machine by Swarm"):
        start(manager)
    assert manager.services == {}
