"""Callers of a socket that listens, where descriptors have run out."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from playground.agent.ports import carrier
from playground.agent.ports.accepting import Acceptor
from playground.agent.ports.dialling import NodeNetwork, Target
from playground.agent.ports.polling import READ, Poller


class WithoutDescriptors(socket.socket):
    """A socket that listens, for which there are no more descriptors for a while."""

    tries = 0
    none_left = True

    def accept(self) -> tuple[socket.socket, Any]:
        self.tries += 1
        if self.none_left:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


@pytest.fixture
def listener() -> Iterator[WithoutDescriptors]:
    with WithoutDescriptors() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        made.setblocking(False)
        yield made


def run(poller: Poller, rounds: int) -> None:
    """Have a poller tell of all that there is so many times."""
    left = rounds
    ours, theirs = socket.socketpair()
    theirs.close()  # so there is always something to be read

    def count(events: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            poller.stop()

    with ours:
        poller.watch(ours, READ, count)
        poller.run()
        poller.forget(ours)
    poller._running = True


def test_without_descriptors_nobody_is_taken_until_one_is_given_back(
    listener: WithoutDescriptors,
) -> None:
    poller = Poller()
    taken: list[socket.socket] = []
    acceptor = Acceptor(poller, listener, taken.append, lambda: True)
    with socket.create_connection(listener.getsockname(), 10):
        run(poller, 100)
        assert (listener.tries, taken) == (1, [])
        listener.none_left = False
        acceptor.one_left()
        run(poller, 100)
    (caller,) = taken
    caller.close()
    poller.close()


def test_who_is_being_dialled_for_gives_descriptors_back_too(
    listener: WithoutDescriptors, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled: list[Callable[[socket.socket | None], None]] = []
    monkeypatch.setattr(carrier, "dial", lambda poller, target, then: dialled.append(then))
    poller = Poller()
    listener.none_left = False
    carrier.TcpListener(poller, listener, Target(NodeNetwork(None), "tcp", 80))
    with socket.create_connection(listener.getsockname(), 10):
        run(poller, 2)
        (nobody_there,) = dialled
        listener.none_left, listener.tries = True, 0
        with socket.create_connection(listener.getsockname(), 10):
            run(poller, 100)
            assert listener.tries == 1
            listener.none_left = False
            nobody_there(None)
            run(poller, 2)
            _, nobody_there = dialled
            nobody_there(None)
    poller.close()


def test_after_its_end_nothing_watches_it_again() -> None:
    poller = Poller()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = Acceptor(poller, listener, lambda caller: None, lambda: False)
        acceptor.close()
        acceptor.one_left()
        poller.watch(listener, READ, lambda events: poller.stop())
        with socket.create_connection(listener.getsockname(), 10):
            poller.run()
    poller.close()
