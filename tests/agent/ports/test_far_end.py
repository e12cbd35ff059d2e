"""The agent as the far end of a line of streams."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
from collections.abc import Iterator

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

    def open(self, number: int, pid: int, protocol: str, port: int) -> None:
        wanted = {"pid": pid, "protocol": protocol, "port": port}
        self.send(OPEN, number, json.dumps(wanted).encode())

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
        near.open(1, node.pid, "tcp", server.getsockname()[1])
        near.send(DATA, 1, b"question")
        near.send(END, 1)
        line, _ = server.accept()
        with line:
            assert line.recv(100) == b"question"
            assert line.recv(100) == b""
            line.sendall(b"answer")
        assert [near.frame(), near.frame()] == [(DATA, 1, b"answer"), (END, 1, b"")]
        near.open(2, node.pid, "udp", datagrams.getsockname()[1])
        near.send(DATA, 2, b"hello")
        data, caller = datagrams.recvfrom(100)
        datagrams.sendto(data + b"!", caller)
        assert near.frame() == (DATA, 2, b"hello!")


def test_where_nobody_is_the_stream_is_reset(
    near: Near, pair: tuple[Namespaces, Namespaces]
) -> None:
    near.open(1, pair[1].pid, "tcp", 4)
    assert near.frame() == (RESET, 1, b"")
    near.open(2, 2**22 + 1, "tcp", 4)
    assert near.frame() == (RESET, 2, b"")
