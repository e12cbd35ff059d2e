"""The server on a machine: what it is asked, and the lines that it leads."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any, ClassVar

import pytest

from playground.agent.machines import server
from playground.agent.machines.engine_socket import EngineRefused
from playground.agent.machines.lines import ServerLine


class MachineOfTest(server.ServedMachine):
    """A machine without an engine, which notes the rules that it was to load."""

    def __init__(self) -> None:
        self.name, self.id, self.address, self.underlay = "m1", "abc", "198.18.0.1", 42
        self._lock = threading.Lock()
        self._ports: dict[int, str] = {}
        self.rules: list[str] = []

    def _nft(self, rules: str) -> None:  # type: ignore[override]
        self.rules.append(rules)


@pytest.fixture
def machine() -> MachineOfTest:
    return MachineOfTest()


def asked(machine: MachineOfTest, **request: Any) -> Any:
    ours, theirs = (ServerLine(one) for one in socket.socketpair())
    try:
        server.answer(machine, theirs, request)
        return ours.hear(5)
    finally:
        ours.close()
        theirs.close()


class EngineOfTest:
    """The engine of the machine, which does as it is told, but starts no agent."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def ask(self, method: str, path: str, query: object = None, body: object = None) -> Any:
        self.asked.append((method, path))
        return {"Id": "1"}

    def upgrade(self, path: str, query: object = None, body: object = None) -> Any:
        raise ConnectionError("the engine closed the line")

    def close(self) -> None:
        pass


def test_a_helper_to_keep_goes_where_its_agent_does_not_start(
    machine: MachineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = EngineOfTest()
    monkeypatch.setattr(EngineOfTest, "asked", [])
    monkeypatch.setattr(server, "EngineLine", lambda: engine)
    answer = asked(machine, do="helper", name="lab-1", keep=True, config={}, lab="lab-1")
    assert "the engine closed the line" in answer["error"]
    assert engine.asked[0] == ("POST", "/containers/create")
    assert engine.asked[-1] == ("DELETE", "/containers/lab-1")


def test_a_lab_that_comes_to_a_machine_has_a_helper_started_there(
    machine: MachineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = EngineOfTest()
    monkeypatch.setattr(EngineOfTest, "asked", [])
    monkeypatch.setattr(server, "EngineLine", lambda: engine)
    opened = []

    def none_there(name: str) -> None:
        opened.append(name)
        raise EngineRefused(404, f"No such container: {name}")

    monkeypatch.setattr(server, "_open_agent", none_there)
    assert "No such container" in asked(machine, do="agent", name="lab-1")["error"]
    assert engine.asked == []
    asked(machine, do="agent", name="lab-1", config={"Image": "helper"})
    assert [path for _, path in engine.asked] == [
        "/containers/create",
        "/containers/lab-1/start",
    ]
    assert len(opened) == 3


class EngineOfLeftovers(EngineOfTest):
    """An engine that goes on listing two containers of a lab for a while, as Swarm removes one."""

    looks = 0

    def ask(self, method: str, path: str, query: object = None, body: object = None) -> Any:
        super().ask(method, path)
        if path == "/volumes":
            return {"Volumes": None}
        if path == "/containers/json":
            self.looks += 1
            return [{"Id": "node"}, {"Id": "helper"}][: 3 - self.looks]
        raise EngineRefused(409, "removal is already in progress")


def test_a_lab_is_stopped_when_the_last_of_its_containers_is_gone(
    machine: MachineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EngineOfTest, "asked", [])
    engine = EngineOfLeftovers()
    monkeypatch.setattr(server, "EngineLine", lambda: engine)
    assert asked(machine, do="stop", lab="lab-1") == GREETING
    removed = [path for method, path in engine.asked if method == "DELETE"]
    assert removed == ["/containers/node", "/containers/helper", "/containers/node"]


GREETING = {"name": "m1", "id": "abc", "address": "198.18.0.1", "underlay": 42}
ADMIT = {"do": "admit", "lab": "lab-1", "port": 23456, "source_port": 34567}


def test_it_greets_with_what_it_is(machine: MachineOfTest) -> None:
    assert asked(machine, do="greet") == GREETING


def test_what_it_does_not_know_is_an_error(machine: MachineOfTest) -> None:
    assert asked(machine, do="fly") == GREETING | {"error": "ValueError: nothing is known of 'fly'"}


def test_tunnels_of_a_lab_are_let_in_and_no_others(machine: MachineOfTest) -> None:
    assert asked(machine, **ADMIT, peers=["198.18.0.1", "198.18.0.2"]) == GREETING
    [rules] = machine.rules
    assert "udp dport 23456 udp sport != 34567 drop" in rules
    assert "udp dport 23456 ip saddr != { 198.18.0.1, 198.18.0.2 } drop" in rules


def test_a_port_is_one_lab_s_until_that_has_gone(machine: MachineOfTest) -> None:
    asked(machine, **ADMIT, peers=["198.18.0.2"])
    again = asked(machine, **ADMIT | {"lab": "lab-2"}, peers=["198.18.0.2"])
    assert "the port 23456 belongs to another lab" in again["error"]
    machine.shut("lab-1")
    assert "delete table inet lab_23456" in machine.rules[-1]
    assert asked(machine, **ADMIT | {"lab": "lab-2"}, peers=["198.18.0.2"]) == GREETING


def test_bytes_are_carried_both_ways_until_an_end_closes() -> None:
    ours, theirs = socket.socketpair()
    agent, stream = socket.socketpair()
    greeting = struct.pack(">BxxxL", 1, 5) + b"hello"
    carrier = threading.Thread(target=server._carry, args=(ServerLine(theirs), stream, greeting))
    carrier.start()
    for one in (ours, agent):
        one.settimeout(10)
    assert ours.recv(100) == b"hello"
    large = b"x" * 3_000_000
    sender = threading.Thread(target=ours.sendall, args=(large,))
    sender.start()
    got = b""
    while len(got) < len(large):
        got += agent.recv(1 << 20)
    sender.join(10)
    assert got == large
    agent.sendall(struct.pack(">BxxxL", 1, 3) + b"bye")
    assert ours.recv(100) == b"bye"
    ours.close()
    assert agent.recv(100) == b""
    carrier.join(10)
    assert not carrier.is_alive()
    for one in (agent, theirs):
        one.close()
