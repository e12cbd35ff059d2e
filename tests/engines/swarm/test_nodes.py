"""Nodes as services."""

from __future__ import annotations

from typing import Any

import pytest

from playground.agent.machines.numbers import global_pid, machine_number
from playground.engines.swarm.nodes import _late, _refuse_failed, processes
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
