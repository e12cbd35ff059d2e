"""The carrier: it stands in a node's network, and ends with the node."""

from __future__ import annotations

import errno
import secrets
import socket
from pathlib import Path
from typing import Any

import pytest

from playground.agent.ports import carrier
from playground.operations.connection.client import Client
from playground.operations.connection.socket_line import SocketLine
from tests.support_agent import Namespaces, needs_root

pytestmark = needs_root

SERVER = """
import socket
with socket.create_server(("127.0.0.1", 80)) as server:
    print("up", flush=True)
    while True:
        line, _ = server.accept()
        line.sendall(b"hello")
        line.close()
"""


def serve(agent: Client, pid: int) -> None:
    agent.call("network", nodes=[{"pid": pid, "interfaces": []}])  # its loopback up
    process = agent.spawn(pid, ["python3", "-c", SERVER])
    assert process.read_stdout(20) == b"up\n"


def publish(agent: Client, pid: int) -> tuple[str, tuple[str, int]]:
    assert agent.ready_sockets() is None
    key = secrets.token_hex(8)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        agent.publish(pid, {"key": key, "protocol": "tcp", "port": 80}, listener)
        return key, listener.getsockname()


def heard(address: tuple[str, int]) -> bytes:
    with socket.create_connection(address, 10) as line:
        return line.recv(100)


def test_a_port_of_a_node_is_carried_until_it_is_to_be_no_more(
    agent: Client, pair: tuple[Namespaces, Namespaces]
) -> None:
    serve(agent, pair[0].pid)
    key, address = publish(agent, pair[0].pid)
    assert heard(address) == b"hello"
    assert [row["key"] for row in agent.call("published")] == [key]
    agent.call("unpublish", keys=[key])
    with pytest.raises(ConnectionRefusedError):
        heard(address)
    assert agent.call("published") == []


def test_it_ends_with_its_node(agent: Client) -> None:
    with Namespaces("h1") as node:
        agent.call("network", nodes=[{"pid": node.pid, "interfaces": []}])
        _, address = publish(agent, node.pid)
        # Nobody listens there, as where a program has not begun.
        with pytest.raises(ConnectionResetError):
            heard(address)
    for _ in range(1000):
        if not agent.call("published"):
            break
    with pytest.raises(ConnectionRefusedError):
        heard(address)


def test_of_the_machine_itself_nothing_is_carried(agent: Client) -> None:
    with pytest.raises(ProcessLookupError):
        publish(agent, int(Path("/proc/self").readlink().name))


def test_an_interrupt_leaves_nothing_that_carries(
    agent: Client, pair: tuple[Namespaces, Namespaces], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = SocketLine._answer

    def interrupted(line: SocketLine) -> Any:
        monkeypatch.setattr(SocketLine, "_answer", answer)
        raise KeyboardInterrupt

    assert agent.ready_sockets() is None
    monkeypatch.setattr(SocketLine, "_answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish(agent, pair[0].pid)
    assert agent.call("published") == []


def test_what_keeps_it_from_carrying_is_an_error_of_who_asked(
    pair: tuple[Namespaces, Namespaces], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(pid: int) -> None:
        raise PermissionError(errno.EPERM, "not into this network")

    monkeypatch.setattr(carrier, "enter_network", refused)
    key = secrets.token_hex(8)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(PermissionError, match="not into this network"):
            row = {"key": key, "protocol": "tcp", "port": 80}
            carrier.start_carrier(listener.fileno(), pair[0].pid, row)
        address = listener.getsockname()
    with pytest.raises(ConnectionRefusedError):
        heard(address)
