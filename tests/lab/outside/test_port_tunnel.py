"""The near end of a line of streams, with a far end that is made by hand."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from playground.agent.ports.streams import DATA, OPEN, RESET
from playground.errors import AgentGone
from playground.lab.outside import port_tunnel
from playground.lab.outside.port_tunnel import PortTunnel

ROW = {"key": "k", "protocol": "tcp", "port": 80}


class Far:
    """An agent that takes the line, and then only what it is told to."""

    def __init__(self) -> None:
        self._near, self.end = socket.socketpair()
        self.end.sendall(b'{"hello": 1}\n{"id": 1, "result": null}\n')

    def read(self, count: int) -> bytes:
        return self._near.recv(count)

    def write(self, data: bytes) -> None:
        self._near.sendall(data)
        if data[0] == OPEN:  # as if each port could be
            _, number, _ = struct.unpack_from(">BLL", data)
            self.end.sendall(struct.pack(">BLL", DATA, number, 0))

    def stderr_tail(self) -> str:
        return ""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._near.shutdown(socket.SHUT_RDWR)
        self._near.close()


@pytest.fixture
def far() -> Iterator[Far]:
    made = Far()
    yield made
    made.end.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def is_offered(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 10).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:
        return True  # it ends at this moment
    return True


def test_an_interrupt_leaves_nothing_that_listens(
    far: Far, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    tunnel: Any = PortTunnel(far)
    do = tunnel._do

    def interrupted(call: Any) -> None:
        do(call)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(tunnel, "_do", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tunnel.publish(1, ROW, listener)
    assert tunnel.rows == []
    address = listener.getsockname()
    listener.close()
    assert not is_offered(address)
    tunnel.close()


def test_its_end_comes_though_a_part_of_it_fails(
    far: Far, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(port: Any) -> None:
        port._listener.close()
        raise OSError("it cannot be closed")

    monkeypatch.setattr(port_tunnel._TcpPort, "close", fails)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    tunnel = PortTunnel(far)
    tunnel.publish(1, ROW, listener)
    tunnel.close()
    assert tunnel.is_closed
    with pytest.raises(AgentGone):
        tunnel.publish(1, ROW, listener)


def test_a_port_ends_when_the_other_end_says_that_its_node_has(
    far: Far, listener: socket.socket
) -> None:
    tunnel = PortTunnel(far)
    tunnel.publish(1, ROW, listener)
    address = listener.getsockname()
    listener.close()
    assert [row["key"] for row in tunnel.rows] == ["k"]
    assert is_offered(address)
    far.end.sendall(struct.pack(">BLL", RESET, 1, 0))
    for _ in range(1000):
        if not is_offered(address):
            break
    assert tunnel.rows == []
    tunnel.close()
