"""Lines to the machines of a lab."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from playground.agent.machines import lines
from playground.agent.machines.lines import ServerLine
from playground.agent.machines.machine_lines import MachineLine, MachineServers, _expected
from playground.agent.machines.tasks import RemoteError
from playground.agent.protocol import Request

GREETING = {"name": "m1", "id": "000001aaa", "address": "127.0.0.1", "underlay": 7}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Request]]:
    """A server on the loopback, which says these messages to whoever calls."""
    said: list[Request] = [GREETING]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(lines, "PORT", listener.getsockname()[1])
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, port, *more: [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port or 0))
            ],
        )

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                line = ServerLine(plain)
                line.hear(5)
                for message in said:
                    line.say(message)
                line.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield said
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def found() -> MachineServers:
    servers = MachineServers("playground", None)
    servers.discover()
    return servers


def test_machines_are_found_by_name_and_number(answers: list[Request]) -> None:
    servers = found()
    machine = servers.named("m1")
    assert (machine.number, machine.underlay, machine.address) == (2, 7, "127.0.0.1")
    assert servers.numbered(2) is machine


def test_a_machine_that_nobody_answers_for_is_named(answers: list[Request]) -> None:
    with pytest.raises(RemoteError, match="the machine m9 does not answer"):
        found().named("m9")
    with pytest.raises(RemoteError, match="a machine of the lab's is gone"):
        found().numbered(99)


def test_a_server_that_has_just_begun_is_waited_for(answers: list[Request]) -> None:
    answers[0] = GREETING | {"error": "it is not ready"}

    def expected() -> dict[int, str]:
        answers[0] = GREETING
        return {2: "m1"}

    servers = MachineServers("playground", None, expected)
    servers.await_servers(["m1"], 30)
    assert servers.named("m1").number == 2
    answers[0] = GREETING | {"error": "it is not ready"}
    later = MachineServers("playground", None, expected)
    assert later.numbered(2).name == "m1"


def test_one_that_swarm_has_given_up_is_not_waited_for(answers: list[Request]) -> None:
    asked: list[bool] = []

    def expected() -> dict[int, str]:
        asked.append(True)
        return {3: "m3"}

    servers = MachineServers("playground", None, expected)
    servers.await_servers(["m1", "m2"], 30)
    assert (list(servers.machines), len(asked)) == ([2], 1)
    servers.await_servers(["m1"], 30)
    assert len(asked) == 1  # nobody is asked of those that answer
    servers.await_servers(limit_s=0.01)
    assert [machine.name for machine in servers.machines.values()] == ["m1"]


def test_swarm_expects_servers_where_it_starts_them_and_hears_of_the_machine() -> None:
    nodes = [
        {"ID": f"00000{n}aaa", "Description": {"Hostname": f"m{n}"}, "Status": {"State": state}}
        for n, state in enumerate(("ready", "ready", "down", "unknown", "ready"), 1)
    ]
    wanted = ("running", "ready", "running", "running", "shutdown")
    tasks = [
        {"NodeID": f"00000{n}aaa", "DesiredState": state, "Status": {"State": "running"}}
        for n, state in enumerate(wanted, 1)
    ]
    waiting = {"DesiredState": "running", "Status": {"State": "pending"}}
    assert _expected([*tasks, waiting], nodes) == {2: "m1", 3: "m2", 5: "m4"}


def test_one_that_was_lost_stays_so(answers: list[Request]) -> None:
    servers = found()
    servers.named("m1").gone = True
    with pytest.raises(RemoteError, match="the machine m1 is gone, or cut off"):
        servers.numbered(2)


def test_a_line_to_an_agent_begins_with_its_hello(answers: list[Request]) -> None:
    servers = found()
    answers.append({"hello": {"protocol": 1}})
    [machine] = servers.open_all([2], {"do": "agent", "name": "lab._helper"})
    assert machine.hello == {"protocol": 1}
    assert machine.line is not None
    machine.line.close()


def test_what_a_server_refuses_is_said_with_its_machine(answers: list[Request]) -> None:
    servers = found()
    answers[0] = GREETING | {"error": "EngineRefused: no such container"}
    with pytest.raises(RemoteError, match="on the machine m1: EngineRefused: no such container"):
        servers.open_all([2], {"do": "agent", "name": "lab._helper"})
    assert servers.open_all([2], {"do": "agent", "name": "x"}, optional=True) == []


def test_the_death_of_a_machine_is_a_sentence() -> None:
    assert "the machine m1 is gone" in str(MachineLine(GREETING).death())
