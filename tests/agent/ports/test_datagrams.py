"""Datagrams carried to a server and back."""

from __future__ import annotations

import socket

import pytest

from playground.agent.ports.datagrams import Datagrams
from playground.agent.ports.dialling import NodeNetwork, Target
from tests.agent.ports.running import Running


def bound(address: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    made.settimeout(10)
    return made


# Nothing listens at 127.0.0.1 but at the last: that is learned from an ICMP error.
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.7"])
def test_each_who_asks_gets_its_own_answer(running: Running, address: str) -> None:
    with bound(address) as server, bound() as listener, bound() as one, bound() as other:
        listener.setblocking(False)
        target = Target(NodeNetwork(None), "udp", server.getsockname()[1])
        datagrams = running.get(lambda: Datagrams(running.poller, listener, target))
        for asks in (one, other):
            asks.connect(listener.getsockname())
            asks.send(str(asks.fileno()).encode())
        callers = set()
        for _ in range(2):
            question, caller = server.recvfrom(100)
            callers.add(caller)
            server.sendto(question + b"!", caller)
        assert len(callers) == 2
        for asks in (one, other):
            assert asks.recv(100) == b"%d!" % asks.fileno()
        running.get(datagrams.close)


def test_a_server_that_comes_later_is_found(running: Running) -> None:
    server = bound()
    with bound() as listener, bound() as asks:
        listener.setblocking(False)
        port = server.getsockname()[1]
        target = Target(NodeNetwork(None), "udp", port)
        server.close()
        datagrams = running.get(lambda: Datagrams(running.poller, listener, target))
        asks.connect(listener.getsockname())
        asks.settimeout(0.1)
        asks.send(b"nobody there")
        with pytest.raises(TimeoutError):
            asks.recv(10)
        asks.settimeout(10)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as later:
            later.settimeout(10)
            later.bind(("127.0.0.1", port))
            asks.send(b"question")
            data, caller = later.recvfrom(100)
            later.sendto(b"answer", caller)
            assert (data, asks.recv(100)) == (b"question", b"answer")
        running.get(datagrams.close)
