"""A manager, asked."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from playground.engines.docker.engine import DockerEngine
from playground.engines.docker.http import Refused
from playground.engines.docker.server import Server
from playground.engines.swarm.manager import (
    Manager,
    _machine,
    has_ended,
    newest,
    process_of,
    refuse_old,
    runs,
)
from playground.errors import EngineError


def task(service: str, state: str, created: str = "2026-01-01", **status: Any) -> dict[str, Any]:
    return {
        "ServiceID": service,
        "CreatedAt": created,
        "Status": {"State": state, **status},
    }


def test_a_process_is_that_of_a_task_that_runs() -> None:
    assert process_of(task("s", "running", ContainerStatus={"PID": 42})) == 42
    assert process_of(task("s", "starting", ContainerStatus={"PID": 42})) == 0
    assert process_of(task("s", "running")) == 0


def test_what_a_lost_machine_had_does_not_run_whatever_its_state() -> None:
    wanted = ("running", "running", "shutdown"), ("running", "starting", "running")
    rows = [
        task("s", state) | {"DesiredState": desired} for desired, state in zip(*wanted, strict=True)
    ]
    assert [runs(row) for row in rows] == [True, False, False]


def test_of_several_tasks_of_a_service_the_newest_counts() -> None:
    rows = [task("s", "running", "2026-01-02"), task("s", "failed", "2026-01-01")]
    assert not has_ended(newest(rows)["s"])
    assert has_ended(newest(rows[1:])["s"])


def test_the_room_of_a_machine_follows_from_its_memory() -> None:
    node = {
        "ID": "id1",
        "Spec": {"Availability": "active", "Role": "worker"},
        "Status": {"State": "ready", "Addr": "192.0.2.1"},
        "Description": {
            "Hostname": "m2",
            "Resources": {"NanoCPUs": 2_000_000_000, "MemoryBytes": 1 << 30},
            "Engine": {"EngineVersion": "20.10.24"},
        },
    }
    machine = _machine(node)
    assert (machine.name, machine.is_ready, machine.is_manager) == ("m2", True, False)
    assert machine.room.room.hosts == 38
    assert machine.room.room.cpus == 2.0
    drained = _machine(node | {"Spec": {"Availability": "drain", "Role": "worker"}})
    assert (drained.is_up, drained.is_ready) == (True, False)
    down = _machine(node | {"Status": {"State": "down"}})
    assert (down.is_up, down.is_ready) == (False, False)


def test_a_machine_whose_engine_is_too_old_is_named() -> None:
    node = {
        "ID": "id1",
        "Spec": {"Availability": "active", "Role": "worker"},
        "Status": {"State": "ready"},
        "Description": {"Hostname": "m2", "Resources": {}, "Engine": {"EngineVersion": "19.03.15"}},
    }
    with pytest.raises(EngineError, match=r"machine m2 is too old: it is Docker 19\.03\.15"):
        refuse_old([_machine(node)])
    node["Description"] = {"Hostname": "m2", "Resources": {}, "Engine": {"EngineVersion": "28.2.2"}}
    refuse_old([_machine(node)])


class OneRefuses:
    """A manager's engine that removes all services but one."""

    def __init__(self) -> None:
        self.left = ["a", "b", "c"]

    def each(self, items: Sequence[str], work: Callable[[OneRefuses, str], None]) -> None:
        for item in items:
            work(self, item)

    def request(self, method: str, path: str) -> None:
        if path.endswith("/b"):
            raise Refused(http.client.INTERNAL_SERVER_ERROR, "no leader")
        self.left.remove(path.rpartition("/")[2])


def test_a_service_that_stays_keeps_no_other() -> None:
    server = OneRefuses()
    with pytest.raises(Refused, match="no leader"):
        Manager(cast("Server", server)).remove(["a", "b", "c"])
    assert server.left == ["b"]


def test_an_engine_that_is_in_no_swarm_says_what_to_do(docker_engine: DockerEngine) -> None:
    if docker_engine.describe()["info"]["Swarm"].get("LocalNodeState") == "active":
        pytest.skip("this machine's own engine is in a swarm")
    with pytest.raises(EngineError, match=r"in no swarm .* make one with `docker swarm init`"):
        Manager(Server()).check()
