"""Datagrams carried to a port of a node's, and its answers back to who sent them.

Each sender has a socket of its own inside the node, so that a server can tell them apart.

"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any, Protocol

from playground.agent.ports.dialling import Target
from playground.agent.ports.polling import READ, Poller

DATAGRAM_BYTES = 1 << 16
# A sender that was silent for so long is forgotten: RFC 4787, REQ-5, has 2 minutes at least.
SILENT_S = 120.0
MOST_SENDERS = 1000
_AT_ONCE = 64


class Answering(Protocol):
    """Who hands on the answers that come for a sender."""

    @property
    def poller(self) -> Poller: ...

    @property
    def target(self) -> Target: ...

    def answer(self, data: bytes, address: Any) -> None: ...


class Sender:
    """One who sends datagrams, and its socket inside the node."""

    def __init__(self, datagrams: Answering, address: Any) -> None:
        self.address = address
        self.heard_at = time.monotonic()
        self._datagrams = datagrams
        self._places = datagrams.target.places()
        self._last = b""
        self._socket: socket.socket | None = None
        self._next_place()

    @property
    def has_nobody(self) -> bool:
        """Whether nothing answers at any address."""
        return self._socket is None

    def send(self, data: bytes) -> None:
        self._last = data
        self.heard_at = time.monotonic()
        self._send()

    def _send(self) -> None:
        while self._socket is not None:
            try:
                self._socket.send(self._last)
                return
            except BlockingIOError:
                return  # as a full queue loses it
            except ConnectionRefusedError:
                self._next_place()
            except OSError:
                return

    def _next_place(self) -> None:
        """Try the next address, after nobody has answered at the one before."""
        self.close()
        for place in self._places:
            try:
                made, number = self._datagrams.target.open(place)
            except OSError:
                continue
            with contextlib.suppress(OSError):  # the poller has no more room
                if number == 0:
                    self._datagrams.poller.watch(made, READ, self._answered)
                    self._socket = made
                    self._place = place
                    return
            made.close()

    def _answered(self, events: int) -> None:
        assert self._socket is not None
        try:
            for _ in range(_AT_ONCE):
                data = self._socket.recv(DATAGRAM_BYTES)
                self._datagrams.target.answered(self._place)
                self._datagrams.answer(data, self.address)
        except BlockingIOError:
            pass
        except OSError:
            # Port unreachable: somewhere else it may be answered.
            self._next_place()
            self._send()

    def close(self) -> None:
        if self._socket is not None:
            self._datagrams.poller.forget(self._socket)
            self._socket.close()
            self._socket = None


class Datagrams:
    """A bound UDP socket, from which datagrams go to a node's port."""

    def __init__(self, poller: Poller, listener: socket.socket, target: Target) -> None:
        self.poller = poller
        self.target = target
        self._listener = listener
        self._senders: dict[Any, Sender] = {}
        poller.watch(listener, READ, self._arrived)

    def _arrived(self, events: int) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, address = self._listener.recvfrom(DATAGRAM_BYTES)
            except OSError:
                return
            sender = self._senders.get(address)
            if sender is None or sender.has_nobody:
                self._make_room()
                sender = self._senders[address] = Sender(self, address)
            sender.send(data)

    def answer(self, data: bytes, address: Any) -> None:
        with contextlib.suppress(OSError):  # as a full queue loses it
            self._listener.sendto(data, address)

    def close(self) -> None:
        """Forget all who have sent, and hear nobody any more; the socket stays the caller's."""
        self.poller.forget(self._listener)
        for sender in self._senders.values():
            sender.close()
        self._senders.clear()

    def _make_room(self) -> None:
        """Forget who was silent for long, or where they are too many who was the first."""
        now = time.monotonic()
        for address, sender in [*self._senders.items()]:
            silent = now - sender.heard_at > SILENT_S or sender.has_nobody
            if silent or len(self._senders) >= MOST_SENDERS:
                sender.close()
                del self._senders[address]
