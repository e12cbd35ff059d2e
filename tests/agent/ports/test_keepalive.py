"""Who is gone for good is found; who only has said all is heard on."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from playground.agent.ports import keepalive
from playground.agent.ports.keepalive import keep_asking
from playground.agent.ports.streams import StreamLine, TcpStream
from tests.agent.ports.running import Running
from tests.agent.ports.test_connection_pairs import Joined, connection


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IDLE_S", "AGAIN_S", "TIMES"):
        monkeypatch.setattr(keepalive, name, 1)


def leave(client: socket.socket) -> None:
    """Close a connection, and have the kernel forget it after a second: tcp(7)."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
    client.close()


def test_whom_nobody_hears_any_more_is_broken_off(impatient: None, running: Running) -> None:
    gone, there = Joined(running), Joined(running)
    leave(gone.client)
    there.client.shutdown(socket.SHUT_WR)
    for joined in (gone, there):
        assert joined.server.recv(10) == b""
    assert gone.over.wait(20)
    assert not there.over.is_set()
    there.server.sendall(b"answer")
    assert there.client.recv(10) == b"answer"
    gone.close()
    there.close()


@pytest.fixture
def line(running: Running) -> Iterator[tuple[StreamLine, socket.socket]]:
    ours, theirs = socket.socketpair()
    made = running.get(
        lambda: StreamLine(
            running.poller,
            ours.fileno(),
            ours.fileno(),
            lambda number, request: None,
            lambda: None,
        )
    )
    yield made, theirs
    running.get(made.close)
    ours.close()
    theirs.close()


def test_over_a_line_too(
    impatient: None, running: Running, line: tuple[StreamLine, socket.socket]
) -> None:
    client, accepted = connection()
    running.get(lambda: TcpStream(line[0], 1, accepted))
    line[1].settimeout(20)
    leave(client)
    said = b""
    while len(said) < 18:  # two frames without data
        said += line[1].recv(100)
    assert [said[0], said[9]] == [2, 3]  # END, RESET


def test_what_is_no_tcp_is_left_alone() -> None:
    for end in socket.socketpair():
        keep_asking(end)
        assert os.fstat(end.fileno())
        end.close()
