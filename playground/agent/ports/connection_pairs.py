"""Two connections made one: what comes by the one goes out by the other.

Each direction ends by itself (half-close), nothing is read that the other side does not
take (backpressure), and where one side breaks off, or is gone, the other is broken off too.

"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable

from playground.agent.ports.keepalive import keep_asking
from playground.agent.ports.polling import BROKEN, READ, WRITE, Poller

CHUNK_BYTES = 256 << 10
_BUFFER = memoryview(bytearray(CHUNK_BYTES))

# struct linger of socket(7): closing sends a RST.
_AT_ONCE = struct.pack("ii", 1, 0)


def reset(connection: socket.socket) -> None:
    """Close a connection so that the other end hears that it was broken off."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    connection.close()


class _Side:
    """One of the two; ``waiting`` is to be sent by it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.waiting = memoryview(b"")
        # No more comes from it; no more goes to it.
        self.ended = False
        self.shut = False


class Pair:
    """Two stream sockets, which it owns from now on; ``over`` is called when both have ended."""

    def __init__(
        self, poller: Poller, a: socket.socket, b: socket.socket, over: Callable[[Pair], None]
    ) -> None:
        self._poller = poller
        self._over = over
        self._sides = (_Side(a), _Side(b))
        for connection in (a, b):
            connection.setblocking(False)
            keep_asking(connection)
        first, second = self._sides
        # They lead back here: without `_end` only the collector of garbage would free it all.
        self._calls: tuple[Callable[[int], None], ...] = (
            lambda events: self._ready(first, second, events),
            lambda events: self._ready(second, first, events),
        )
        try:
            self._watch()
        except OSError:
            for connection in (a, b):
                poller.forget(connection)
            self._calls = ()
            raise

    def _watch(self) -> None:
        first, second = self._sides
        for side, other, call in zip((first, second), (second, first), self._calls, strict=True):
            wanted = 0
            if not side.ended and not other.waiting:
                wanted |= READ
            if side.waiting:
                wanted |= WRITE
            if side.ended and not side.shut:
                wanted |= BROKEN
            self._poller.watch(side.connection, wanted, call)

    def _ready(self, side: _Side, other: _Side, events: int) -> None:
        try:
            if side.ended and events & BROKEN:
                self.break_off()
                return
            self._carry(side, other, events)
            if not (side.shut and other.shut):
                self._watch()
                return
        except OSError:
            self.break_off()
            return
        self._end()
        for one in self._sides:
            one.connection.close()

    def _carry(self, side: _Side, other: _Side, events: int) -> None:
        try:
            if side.waiting and events & ~READ:
                side.waiting = side.waiting[side.connection.send(side.waiting) :]
            if not side.ended and not other.waiting and events & ~WRITE:
                self._read(side, other)
            for one, its_source in ((side, other), (other, side)):
                if its_source.ended and not one.waiting and not one.shut:
                    one.shut = True
                    one.connection.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass

    def _read(self, side: _Side, other: _Side) -> None:
        count = side.connection.recv_into(_BUFFER)
        if count == 0:
            side.ended = True
            return
        try:
            sent = other.connection.send(_BUFFER[:count])
        except BlockingIOError:
            sent = 0
        if sent < count:
            other.waiting = memoryview(bytes(_BUFFER[sent:count]))

    def break_off(self) -> None:
        """End both at once."""
        self._end()
        for side in self._sides:
            reset(side.connection)

    def _end(self) -> None:
        for side in self._sides:
            self._poller.forget(side.connection)
        self._calls = ()
        self._over(self)
