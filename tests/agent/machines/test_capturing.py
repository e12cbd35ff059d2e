"""Captures on several machines: begun, asked and ended as one."""

from __future__ import annotations

import base64
import signal
from typing import Any

import pytest

from playground.agent.machines.capturing import JoinedCaptures
from playground.agent.machines.numbers import global_job, global_pid
from playground.agent.machines.sharing import Places
from playground.agent.machines.tasks import RemoteError

PLACES = [{"pid": global_pid(machine, 7), "interface": "eth0"} for machine in (1, 2, 1)]
HEAD = base64.b64encode(b'{"byte_order": "little", "link_types": [1]}\n').decode()


def begun() -> tuple[JoinedCaptures, Any]:
    captures = JoinedCaptures(Places(1))
    steps = captures.begin({"places": PLACES, "filter": "icmp"})
    asked = next(steps)
    while asked == {2: ("clock", {})}:
        asked = steps.send({2: 0})
    ops = {machine: (op, len(part["places"])) for machine, (op, part) in asked.items()}
    assert ops == {1: ("capture", 2), 2: ("capture", 1)}
    assert asked[2][1]["places"] == [{"pid": 7, "interface": "eth0"}]
    return captures, steps


def done(steps: Any, answers: Any) -> Any:
    with pytest.raises(StopIteration) as stop:
        steps.send(answers)
    return stop.value.value


def test_what_is_said_before_its_number_is_known_is_not_lost() -> None:
    captures, steps = begun()
    one, other = global_job(1, 4), global_job(2, 9)
    assert captures.hear(other, {"event": "stdout", "data": HEAD}) is None
    number = done(steps, {1: {"job": 4, "pid": 5}, 2: {"job": 9, "pid": 5}})["job"]
    both = base64.b64encode(b'{"byte_order": "little", "link_types": [1, 101]}\n').decode()
    assert captures.first_events(number) == []
    [event] = captures.hear(one, {"event": "stdout", "data": both}) or []
    assert (event["job"], event["event"]) == (number, "stdout")
    assert b"[1, 1, 101]" in base64.b64decode(event["data"])


def test_requests_about_it_go_to_all_its_machines() -> None:
    captures, steps = begun()
    number = done(steps, {1: {"job": 4, "pid": 5}, 2: {"job": 9, "pid": 5}})["job"]
    asked = captures.ask("signal", {"job": number, "signum": 15})
    assert asked is not None
    assert next(asked) == {
        1: ("signal", {"job": 4, "signum": 15}),
        2: ("signal", {"job": 9, "signum": 15}),
    }
    assert captures.ask("signal", {"job": global_job(2, 9), "signum": 15}) is None
    assert captures.ask("routes", {"pids": []}) is None
    # A machine that is lost ends its part, and the other machine's end ends all.
    assert captures.lose(2) == []
    ended = captures.hear(global_job(1, 4), {"event": "exit", "returncode": 0})
    assert [event["event"] for event in ended or []][-1:] == ["exit"]
    asked = captures.ask("credit", {"job": number, "bytes": 10})
    assert asked is not None
    assert next(asked) == {}


def test_where_one_machine_refuses_the_others_are_ended_and_the_error_is_told() -> None:
    _, steps = begun()
    refused = RemoteError({"type": "OSError", "errno": 22, "message": "no such filter"})
    asked = steps.send({1: {"job": 4, "pid": 5}, 2: refused})
    assert asked == {1: ("signal", {"job": 4, "signum": signal.SIGKILL})}
    with pytest.raises(RemoteError, match="no such filter"):
        steps.send({1: None})
