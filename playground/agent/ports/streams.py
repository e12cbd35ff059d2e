"""Many connections over one line of bytes, for where no descriptor can be handed over.

Both ends of such a line run this.  A frame is a kind, the number of a stream, a length
(one byte, and two numbers of four, the most significant byte first) and so much data:

====== =====================================================================
open   begin a stream; the data is JSON, {"of": the number of a port's stream}, or for a
       port {"pid", "protocol", "port"}: it is answered with data, and lasts as long as
       the node whose first process has this number, or until it is reset
data   bytes of a TCP stream, or one datagram
end    this side has said all, and hears on
reset  the stream is broken off, or nobody is there; for a port that cannot be, the data
       is an error as the protocol writes it
credit the data is a number of four bytes: so much of what came was taken
====== =====================================================================

Of a TCP stream `WINDOW_BYTES` may be under way without credit, so that who reads slowly
holds up nobody else on the line.

"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Protocol

from playground.agent.ports.connection_pairs import CHUNK_BYTES, reset
from playground.agent.ports.keepalive import keep_asking
from playground.agent.ports.polling import BROKEN, READ, WRITE, Handle, Poller
from playground.agent.protocol import Request

HEADER = struct.Struct(">BLL")
_NUMBER = struct.Struct(">L")
OPEN, DATA, END, RESET, CREDIT = range(5)

WINDOW_BYTES = 1 << 20
# With so much that the line has not taken nobody adds to it.
_FULL_BYTES = 1 << 20
# Written in one go: writev(2) takes up to 1024.
_PIECES = 16
_CREDIT_BYTES = WINDOW_BYTES // 4
_BUFFER = memoryview(bytearray(CHUNK_BYTES))


class OverLine(Protocol):
    """Something that goes over a line by the number that it has there."""

    def frame(self, kind: int, data: bytes) -> None:
        """Take a frame from the other end."""

    def go_on(self) -> None:
        """Take note that the line has room again."""

    def break_off(self) -> None:
        """End it at once; the other end knows, or is gone."""


class StreamLine:
    """One end of the line.  ``opened`` is called for each new number, ``over`` at the end."""

    def __init__(
        self,
        poller: Poller,
        reader: int,
        writer: int,
        opened: Callable[[int, Request], None],
        over: Callable[[], None],
    ) -> None:
        self.poller = poller
        self._reader, self._writer = Handle(reader), Handle(writer)
        self._opened = opened
        self._over = over
        self._received = bytearray()
        self._waiting: deque[memoryview] = deque()
        self._waiting_bytes = 0
        self._streams: dict[int, OverLine] = {}
        self._is_over = False
        for fd in (reader, writer):
            os.set_blocking(fd, False)
        poller.watch(self._reader, READ, self._read)

    @property
    def is_full(self) -> bool:
        return self._waiting_bytes >= _FULL_BYTES

    def add(self, number: int, stream: OverLine) -> None:
        self._streams[number] = stream

    def forget(self, number: int) -> None:
        self._streams.pop(number, None)

    def send(self, kind: int, number: int, data: bytes | memoryview = b"") -> None:
        if self._is_over:
            return
        idle = not self._waiting
        self._waiting.append(memoryview(HEADER.pack(kind, number, len(data))))
        if data:
            self._waiting.append(memoryview(bytes(data)))
        self._waiting_bytes += HEADER.size + len(data)
        if idle:
            self._write(0)

    def _write(self, events: int) -> None:
        was_full = self.is_full
        try:
            while self._waiting:
                pieces = [*itertools.islice(self._waiting, _PIECES)]
                count = os.writev(self._writer.fileno(), pieces)
                self._waiting_bytes -= count
                while count and count >= len(self._waiting[0]):
                    count -= len(self._waiting.popleft())
                if count:
                    self._waiting[0] = self._waiting[0][count:]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if self._reader.fileno() != self._writer.fileno():
            self.poller.watch(self._writer, WRITE if self._waiting else 0, self._write)
        else:
            self.poller.watch(self._reader, READ | WRITE if self._waiting else READ, self._either)
        if was_full and not self.is_full:
            for stream in [*self._streams.values()]:
                stream.go_on()

    def _either(self, events: int) -> None:
        if events & WRITE:
            self._write(events)
        if events & ~WRITE:
            self._read(events)

    def _read(self, events: int) -> None:
        try:
            data = os.read(self._reader.fileno(), CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._received += data
        at = 0
        while len(self._received) - at >= HEADER.size:
            kind, number, length = HEADER.unpack_from(self._received, at)
            end = at + HEADER.size + length
            if end > len(self._received):
                break
            self._frame(kind, number, bytes(self._received[at + HEADER.size : end]))
            at = end
        del self._received[:at]

    def _frame(self, kind: int, number: int, data: bytes) -> None:
        if kind == OPEN:
            self._opened(number, json.loads(data))
        elif number in self._streams:
            self._streams[number].frame(kind, data)

    def close(self) -> None:
        """End all streams; the descriptors stay the caller's.  May be repeated."""
        if self._is_over:
            return
        self._is_over = True
        self.poller.forget(self._reader)
        self.poller.forget(self._writer)
        for stream in [*self._streams.values()]:
            stream.break_off()
        self._streams.clear()
        self._over()


class TcpStream:
    """A TCP connection of this end, which it owns, whose other side is at the other end.

    Data may come before there is a connection (`attach`).

    """

    def __init__(
        self,
        line: StreamLine,
        number: int,
        connection: socket.socket | None = None,
        over: Callable[[TcpStream], None] | None = None,
    ) -> None:
        self._line = line
        self._number = number
        self._over = over
        self._connection: socket.socket | None = None
        self._waiting: deque[memoryview] = deque()
        self._room = WINDOW_BYTES
        self._taken = 0
        # No more comes from the connection; no more comes from the line; no more goes out.
        self._ended = False
        self._line_ended = False
        self._shut = False
        line.add(number, self)
        if connection is not None:
            self.attach(connection)

    def attach(self, connection: socket.socket | None) -> None:
        """Take the connection; None where nobody is there to connect to."""
        if connection is None:
            self.fail()
            return
        self._connection = connection
        connection.setblocking(False)
        keep_asking(connection)
        self.go_on()

    def frame(self, kind: int, data: bytes) -> None:
        if kind == DATA:
            self._waiting.append(memoryview(data))
        elif kind == END:
            self._line_ended = True
        elif kind == CREDIT:
            self._room += _NUMBER.unpack(data)[0]
        elif kind == RESET:
            self.break_off()
            return
        self.go_on()

    def go_on(self) -> None:
        """Write what waits, and watch for what can be done next."""
        if self._connection is None:
            return
        try:
            self._write(self._connection)
        except OSError:
            self.fail()
            return
        if self._ended and self._shut:
            self._line.poller.forget(self._connection)
            self._connection.close()
            self._connection = None
            self._leave()
            return
        wanted = WRITE if self._waiting else 0
        if not self._ended and self._room > 0 and not self._line.is_full:
            wanted |= READ
        if self._ended and not self._shut:
            wanted |= BROKEN
        self._line.poller.watch(self._connection, wanted, self._ready)

    def _write(self, connection: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._waiting:
                count = connection.send(self._waiting[0])
                self._taken += count
                if count == len(self._waiting[0]):
                    self._waiting.popleft()
                else:
                    self._waiting[0] = self._waiting[0][count:]
        if self._taken >= _CREDIT_BYTES:
            self._line.send(CREDIT, self._number, _NUMBER.pack(self._taken))
            self._taken = 0
        if self._line_ended and not self._waiting and not self._shut:
            self._shut = True
            connection.shutdown(socket.SHUT_WR)

    def _ready(self, events: int) -> None:
        assert self._connection is not None
        if self._ended and events & BROKEN:
            self.fail()
            return
        may_read = not self._ended and self._room > 0 and not self._line.is_full
        if may_read and events & ~WRITE:
            try:
                count = self._connection.recv_into(_BUFFER, min(self._room, CHUNK_BYTES))
            except BlockingIOError:
                return
            except OSError:
                self.fail()
                return
            if count == 0:
                self._ended = True
                self._line.send(END, self._number)
            else:
                self._room -= count
                self._line.send(DATA, self._number, _BUFFER[:count])
        self.go_on()

    def fail(self) -> None:
        """Break it off, and have the other end do so."""
        self._line.send(RESET, self._number)
        self.break_off()

    def break_off(self) -> None:
        if self._connection is not None:
            self._line.poller.forget(self._connection)
            reset(self._connection)
            self._connection = None
        self._leave()

    def _leave(self) -> None:
        self._line.forget(self._number)
        over, self._over = self._over, None
        if over is not None:
            over(self)
