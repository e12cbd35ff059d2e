"""The agent as the far end of a line of streams."""

from __future__ import annotations

import errno
import json
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.agent.ports.streams import DATA, END, OPEN, RESET
from playground.operations.connection.client import SubprocessChannel
from tests.support_agent import Namespaces, agent_argv, needs_root

pytestmark = needs_root


class Near:
    """The near end, by hand."""

    def __init__(self, channel: SubprocessChannel) -> None:
        self.channel = channel
        self.heard = b""
        self.line()
        channel.write(b'{"id": 1, "op": "carry"}\n')
        assert json.loads(self.line()) == {"id": 1, "result": None}

    def line(self) -> bytes:
        while b"\n" not in self.heard:
            self.heard += self.channel.read(1 << 16)
        line, _, self.heard = self.heard.partition(b"\n")
        return line

    def send(self, kind: int, number: int, data: bytes = b"") -> None:
        self.channel.write(struct.pack(">BLL", kind, number, len(data)) + data)

    def port(self, number: int, pid: int, protocol: str, port: int) -> None:
        wanted = {"pid": pid, "protocol": protocol, "port": port}
        self.send(OPEN, number, json.dumps(wanted).encode())

    def open(self, number: int, of: int) -> None:
        self.send(OPEN, number, json.dumps({"of": of}).encode())

    def frame(self) -> tuple[int, int, bytes]:
        while (
            len(self.heard) < 9 or len(self.heard) < 9 + struct.unpack_from(">L", self.heard, 5)[0]
        ):
            more = self.channel.read(1 << 16)
            assert more, self.channel.stderr_tail()
            self.heard += more
        kind, number, length = struct.unpack_from(">BLL", self.heard)
        data, self.heard = self.heard[9 : 9 + length], self.heard[9 + length :]
        return kind, number, data


@pytest.fixture
def near() -> Iterator[Near]:
    channel = SubprocessChannel(agent_argv())
    yield Near(channel)
    channel.close()
    while channel.read(1 << 16):
        pass


def test_a_stream_leads_to_the_nodes_own_port(
    near: Near, pair: tuple[Namespaces, Namespaces]
) -> None:
    node, _ = pair
    with node.network():
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        server = socket.create_server(("0.0.0.0", 0))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("0.0.0.0", 0))
    with server, datagrams:
        near.port(9, node.pid, "tcp", server.getsockname()[1])
        assert near.frame() == (DATA, 9, b"")
        near.open(1, of=9)
        near.send(DATA, 1, b"question")
        near.send(END, 1)
        line, _ = server.accept()
        with line:
            assert line.recv(100) == b"question"
            assert line.recv(100) == b""
            line.sendall(b"answer")
        assert [near.frame(), near.frame()] == [(DATA, 1, b"answer"), (END, 1, b"")]
        near.port(8, node.pid, "udp", datagrams.getsockname()[1])
        assert near.frame() == (DATA, 8, b"")
        near.open(2, of=8)
        near.send(DATA, 2, b"hello")
        data, caller = datagrams.recvfrom(100)
        datagrams.sendto(data + b"!", caller)
        assert near.frame() == (DATA, 2, b"hello!")


def test_where_nobody_is_the_stream_is_reset(
    near: Near, pair: tuple[Namespaces, Namespaces]
) -> None:
    near.port(9, pair[1].pid, "tcp", 4)
    assert near.frame() == (DATA, 9, b"")
    near.open(1, of=9)
    assert near.frame() == (RESET, 1, b"")
    near.port(8, 2**22 + 1, "tcp", 4)
    kind, number, error = near.frame()
    assert (kind, number, json.loads(error)["errno"]) == (RESET, 8, errno.ESRCH)
    near.port(7, int(Path("/proc/self").readlink().name), "tcp", 4)
    assert near.frame()[:2] == (RESET, 7)


def test_a_port_ends_with_its_node(near: Near) -> None:
    with Namespaces("h1") as node:
        near.port(9, node.pid, "tcp", 4)
        assert near.frame() == (DATA, 9, b"")
    assert near.frame() == (RESET, 9, b"")
    # Whoever has the number now is not dialled.
    near.open(1, of=9)
    assert near.frame() == (RESET, 1, b"")
