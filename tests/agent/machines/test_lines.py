"""Lines between machines: first messages, then a stream."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest

from playground.agent.machines import lines
from playground.agent.machines.lines import ServerLine, client_context, server_context, tune
from tests.support_agent import apart


@pytest.fixture
def pair() -> Iterator[tuple[ServerLine, ServerLine]]:
    a, b = (ServerLine(one) for one in socket.socketpair())
    yield a, b
    a.close()
    b.close()


def test_messages_come_first_and_then_bytes(pair: tuple[ServerLine, ServerLine]) -> None:
    a, b = pair
    a.say({"do": "greet"})
    a.socket.sendall(b"and bytes")
    assert b.hear(5) == {"do": "greet"}
    b.become_stream()
    assert b.read() == b"and bytes"
    assert b.read() is None
    a.close()
    assert b.read() == b""


def test_a_first_line_without_an_end_is_refused(
    pair: tuple[ServerLine, ServerLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = pair
    monkeypatch.setattr(lines, "_FIRST_LINE_BYTES", 1000)
    a.socket.sendall(b"x" * 2000)
    with pytest.raises(ValueError, match="longer than any first message"):
        b.hear(5)


def test_the_end_is_no_message(pair: tuple[ServerLine, ServerLine]) -> None:
    a, b = pair
    a.close()
    assert b.hear(5) is None


def test_who_reads_slowly_is_not_waited_for(pair: tuple[ServerLine, ServerLine]) -> None:
    a, b = pair
    a.become_stream()
    b.become_stream()
    data = bytes(range(256)) * 20_000
    a.write(data)
    assert a.waiting_bytes > 0
    got = b""
    while len(got) < len(data):
        got += b.read() or b""
        a.flush()
    assert got == data
    assert a.waiting_bytes == 0


def test_a_closed_end_ends_writing(pair: tuple[ServerLine, ServerLine]) -> None:
    a, b = pair
    a.become_stream()
    b.close()
    a.write(b"one")
    a.write(b"two")
    assert a.closed


def test_a_connection_notices_within_seconds_that_the_other_machine_is_gone() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as line,
    ):
        tune(line)
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 10_000
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def _speak(theirs: bytes) -> object:
    """Return what a server with a secret hears of a client with another, or with the same."""
    ours, other = socket.socketpair()
    server, client = server_context(b"secret"), client_context(theirs)
    one = client.wrap_bio(incoming := ssl.MemoryBIO(), outgoing := ssl.MemoryBIO())
    two = server.wrap_bio(outgoing, incoming, server_side=True)
    ours.close()
    other.close()
    for _ in range(20):
        for side in (one, two):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    one.write(b"hello")
    return two.read()


@pytest.mark.skipif(
    not hasattr(ssl.SSLContext, "set_psk_client_callback"),
    reason="Python's ssl knows shared keys since 3.13, which the helper's image has",
)
def test_only_who_knows_the_secret_is_heard() -> None:
    assert apart(_speak, b"secret") == b"hello"
    with pytest.raises(ssl.SSLError):
        _speak(b"another")
