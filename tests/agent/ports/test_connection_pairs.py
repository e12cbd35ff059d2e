"""Two connections made one."""

from __future__ import annotations

import gc
import socket
import threading
import weakref

import pytest

from playground.agent.ports.connection_pairs import Pair, reset
from tests.agent.ports.running import Running


def connection() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname(), 10)
        accepted, _ = server.accept()
    accepted.settimeout(10)
    return client, accepted


class Joined:
    """A client and a server, and the two sockets between that a pair joins."""

    def __init__(self, running: Running) -> None:
        self.client, a = connection()
        b, self.server = connection()
        self.over = threading.Event()
        running.do(lambda: Pair(running.poller, a, b, lambda pair: self.over.set()))

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture
def joined(running: Running):
    made = Joined(running)
    yield made
    made.close()


def read_all(line: socket.socket) -> bytes:
    parts = []
    while data := line.recv(1 << 20):
        parts.append(data)
    return b"".join(parts)


def test_a_side_that_has_said_all_may_still_hear(joined: Joined) -> None:
    joined.client.sendall(b"question")
    joined.client.shutdown(socket.SHUT_WR)
    assert read_all(joined.server) == b"question"
    assert not joined.over.is_set()
    joined.server.sendall(b"answer")
    joined.server.shutdown(socket.SHUT_WR)
    assert read_all(joined.client) == b"answer"
    assert joined.over.wait(10)


def test_who_reads_slowly_holds_up_who_sends_and_nothing_is_lost(joined: Joined) -> None:
    sent = bytes(range(256)) * (1 << 16)  # 16 MiB, more than all buffers hold
    joined.client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        # In one go nobody takes it: it would have to lie somewhere.
        joined.client.sendall(sent)
    joined.client.settimeout(10)
    got = 0
    joined.client.shutdown(socket.SHUT_WR)
    while data := joined.server.recv(1 << 16):
        at = got % 256
        assert data[:256] == (bytes(range(256)) * 2)[at : at + min(256, len(data))]
        got += len(data)
    assert 0 < got < len(sent)


def test_a_connection_that_is_broken_off_breaks_the_other(joined: Joined) -> None:
    joined.server.sendall(b"half")
    assert joined.client.recv(10) == b"half"
    reset(joined.server)
    with pytest.raises(ConnectionResetError):
        joined.client.recv(10)
    assert joined.over.wait(10)


@pytest.mark.parametrize("ends", ["both", "broken off"])
def test_nothing_is_left_of_a_pair_though_no_garbage_is_collected(
    running: Running, ends: str
) -> None:
    client, a = connection()
    b, server = connection()
    over = threading.Event()
    gc.disable()
    try:
        pair = running.get(lambda: weakref.ref(Pair(running.poller, a, b, lambda pair: over.set())))
        assert pair() is not None
        if ends == "broken off":
            reset(client)
        client.close()
        server.close()
        assert over.wait(10)
        running.get(lambda: None)  # it is out of its last call
        assert pair() is None
    finally:
        gc.enable()
