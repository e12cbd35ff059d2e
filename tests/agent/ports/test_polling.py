"""The poller: what is called when, and what is not called any more."""

from __future__ import annotations

import socket

from playground.agent.ports.polling import READ, WRITE, Poller


def test_each_descriptor_has_its_function_until_it_is_forgotten() -> None:
    poller = Poller()
    a, b = socket.socketpair()
    seen = []

    def read(events: int) -> None:
        seen.append(a.recv(10))
        poller.watch(a, WRITE, written)

    def written(events: int) -> None:
        seen.append(b"may write")
        poller.watch(a, 0, written)
        poller.stop()

    with a, b:
        poller.watch(a, READ, read)
        b.send(b"hello")
        poller.run()
        poller.forget(a)  # once more is no error
    poller.close()
    assert seen == [b"hello", b"may write"]


def test_who_is_forgotten_by_an_event_before_hears_nothing_of_the_same_round() -> None:
    poller = Poller()
    pairs = [socket.socketpair() for _ in range(2)]
    heard = []

    def hear(number: int) -> None:
        heard.append(number)
        for ours, _ in pairs:
            poller.forget(ours)
        poller.stop()

    for number, (ours, theirs) in enumerate(pairs):
        poller.watch(ours, READ, lambda events, number=number: hear(number))
        theirs.send(b"x")
    poller.run()
    poller.close()
    for both in pairs:
        for one in both:
            one.close()
    assert len(heard) == 1
