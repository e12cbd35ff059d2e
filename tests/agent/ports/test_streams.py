"""Many connections over one line."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from playground.agent.ports.connection_pairs import reset
from playground.agent.ports.streams import (
    DATA,
    OPEN,
    WINDOW_BYTES,
    StreamLine,
    TcpStream,
)
from tests.agent.ports.running import Running
from tests.agent.ports.test_connection_pairs import connection, read_all


class Ends:
    """Two ends of a line; each stream that the first opens gets a server at the second."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.lines = socket.socketpair()
        self.opened: list[tuple[int, object]] = []
        self.over = threading.Event()
        self.servers: list[socket.socket] = []
        fds = [line.fileno() for line in self.lines]
        self.near, self.far = running.get(
            lambda: (
                StreamLine(running.poller, fds[0], fds[0], self.refused, self.over.set),
                StreamLine(running.poller, fds[1], fds[1], self.open, lambda: None),
            )
        )

    def refused(self, number: int, wanted: object) -> None:
        raise AssertionError("the far end opens nothing")

    def open(self, number: int, wanted: object) -> None:
        self.opened.append((number, wanted))
        b, server = connection()
        self.servers.append(server)
        TcpStream(self.far, number, b)

    def connect(self, number: int) -> tuple[socket.socket, socket.socket]:
        """Return a client, and the server that it reaches over the line."""
        client, a = connection()
        client.settimeout(10)

        def begin() -> None:
            self.near.send(OPEN, number, json.dumps({"port": 80}).encode())
            TcpStream(self.near, number, a)

        self.running.get(begin)
        client.sendall(b"x")
        while not self.servers:
            self.running.get(lambda: None)
        server = self.servers.pop()
        assert server.recv(1) == b"x"
        return client, server

    def close(self) -> None:
        self.running.get(self.near.close)
        self.running.get(self.far.close)
        for line in self.lines:
            line.close()


@pytest.fixture
def ends(running: Running):
    made = Ends(running)
    yield made
    made.close()


def test_each_side_may_end_before_the_other(ends: Ends) -> None:
    client, server = ends.connect(7)
    assert ends.opened == [(7, {"port": 80})]
    with client, server:
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert read_all(server) == b"question"
        server.sendall(b"answer")
        server.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"answer"


def test_who_reads_nothing_holds_up_nobody_else(ends: Ends) -> None:
    stuck, deaf = ends.connect(1)
    client, server = ends.connect(2)
    with stuck, deaf, client, server:
        stuck.settimeout(0.3)
        with pytest.raises(TimeoutError):
            stuck.sendall(bytes(16 * WINDOW_BYTES))
        whole = bytes(4 * WINDOW_BYTES)
        sending = threading.Thread(target=client.sendall, args=[whole])
        sending.start()
        count = 0
        while count < len(whole):
            count += len(server.recv(1 << 16))
        sending.join(10)
        assert count == len(whole)


def test_a_connection_that_is_broken_off_breaks_the_other(ends: Ends) -> None:
    client, server = ends.connect(1)
    with client:
        reset(server)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_the_end_of_the_line_ends_all(ends: Ends) -> None:
    client, server = ends.connect(1)
    with client, server:
        ends.running.get(ends.far.close)
        ends.lines[1].shutdown(socket.SHUT_RDWR)
        for one in (client, server):
            with pytest.raises(ConnectionResetError):
                one.recv(1)
        assert ends.over.wait(10)
        # Bytes sent into it now go nowhere, and are no error.
        ends.running.get(lambda: ends.near.send(DATA, 1, b"late"))
