"""The near end of a line of streams: ports of this machine, carried to an engine elsewhere.

It stands where the engine's machine is another one, or a virtual machine of its own, and
no descriptor can be handed to the agent.  A thread of this program carries, over a line to
an agent of its own.

"""

from __future__ import annotations

import itertools
import json
import queue
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from playground.agent.ports.accepting import Acceptor
from playground.agent.ports.datagrams import DATAGRAM_BYTES, MOST_SENDERS, SILENT_S
from playground.agent.ports.polling import READ, Poller
from playground.agent.ports.streams import DATA, OPEN, RESET, StreamLine, TcpStream
from playground.agent.protocol import os_error
from playground.engines.seam import Channel
from playground.errors import AgentGone, EngineError

_AT_ONCE = 64
_BUFFER_BYTES = 1 << 20
_END_LIMIT_S = 5.0
_ANSWER_LIMIT_S = 20.0
_GONE = "the line that carries published ports is closed: the lab was stopped, or has died"


class PortTunnel:
    """A line to an agent that carries, and all that listens here for it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        _begin(channel)
        self._poller = Poller()
        self._asked: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._bell, self._heard = socket.socketpair()
        self._poller.watch(self._heard, READ, self._rung)
        # The channel blocks, whatever it is made of; two threads copy for the one that decides.
        self._ours, self._theirs = socket.socketpair()
        for end in (self._ours, self._theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        fd = self._ours.fileno()
        self.line = StreamLine(self._poller, fd, fd, self._refuse, self._poller.stop)
        self._numbers = itertools.count(1)
        self._ports: dict[str, tuple[dict[str, Any], Callable[[], None]]] = {}
        self._closed = False
        self._carrying, *copying = (
            threading.Thread(target=work, name="playground ports", daemon=True)
            for work in (self._carry, self._copy_in, self._copy_out)
        )
        for thread in (self._carrying, *copying):
            thread.start()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The address of each of its published ports."""
        return [row for row, _ in [*self._ports.values()]]

    def publish(self, pid: int, row: dict[str, Any], listener: socket.socket) -> None:
        """Carry what comes by a bound socket, which stays the caller's; after an error nothing."""
        own = listener.dup()
        own.setblocking(False)
        wanted = {"pid": pid, "protocol": row["protocol"], "port": row["port"]}
        kind = _TcpPort if row["protocol"] == "tcp" else _UdpPort
        key, node = row["key"], _DistantPort(self.line, lambda: self._end(row["key"]))

        def begin() -> None:
            node.number = self.open(wanted)
            self.line.add(node.number, node)
            port = kind(self, own, node.number)
            self._ports[key] = row, port.close

        try:
            self._do(begin)
            self._wait(node.answered)
            if node.error is not None:
                raise node.error
        except BaseException:
            self.unpublish(key)
            own.close()
            raise

    def unpublish(self, key: str) -> None:
        """Carry no more for a port; one that has ended is no error."""
        with suppress(AgentGone):
            self._do(lambda: self._end(key))

    def _end(self, key: str) -> None:
        _, close = self._ports.pop(key, (None, lambda: None))
        close()

    def open(self, wanted: dict[str, Any]) -> int:
        """Begin a stream; return its number."""
        number = next(self._numbers)
        self.line.send(OPEN, number, json.dumps(wanted).encode())
        return number

    def let_go(self, number: int) -> None:
        """End the stream of a node's port."""
        self.line.forget(number)
        self.line.send(RESET, number)

    @property
    def is_closed(self) -> bool:
        """Whether its line has ended."""
        return self._closed

    @property
    def poller(self) -> Poller:
        return self._poller

    def close(self) -> None:
        """End all that it carries.  May be repeated."""
        with suppress(AgentGone):
            self._do(self._poller.stop)
        self._carrying.join(_END_LIMIT_S)

    def _do(self, call: Callable[[], None]) -> None:
        """Do something in the thread that carries, and wait until it is done."""
        done = threading.Event()
        errors: list[BaseException] = []

        def work() -> None:
            try:
                call()
            except BaseException as error:
                errors.append(error)
            finally:
                done.set()

        self._asked.put(work)
        with suppress(OSError):
            self._bell.send(b"x")
        self._wait(done)
        if errors:
            raise errors[0]

    def _wait(self, done: threading.Event) -> None:
        deadline = time.monotonic() + _ANSWER_LIMIT_S
        while not done.wait(0.1):
            if self._closed and not done.is_set():
                raise AgentGone(_GONE)
            if time.monotonic() > deadline:
                raise EngineError(
                    f"the engine's machine has not answered within {_ANSWER_LIMIT_S:g} s that a "
                    "port is published: it may be overloaded; publish it again"
                )

    def _rung(self, events: int) -> None:
        self._heard.recv(1 << 10)
        with suppress(queue.Empty):
            while True:
                self._asked.get_nowait()()

    def _refuse(self, number: int, wanted: dict[str, Any]) -> None:
        self.line.send(RESET, number)  # nobody there may open anything here

    def _carry(self) -> None:
        try:
            self._poller.run()
        finally:
            # First, for whoever waits for this thread.
            self._closed = True
            with ExitStack() as ends:
                for end in (self._channel, self._heard, self._bell, self._poller, self._ours):
                    ends.callback(end.close)
                ends.callback(self.line.close)
                for _, close in [*self._ports.values()]:
                    ends.callback(close)
                self._ports.clear()

    def _copy_in(self) -> None:
        with suppress(OSError):
            while data := self._channel.read(1 << 18):
                self._theirs.sendall(data)
        with suppress(OSError):
            self._theirs.shutdown(socket.SHUT_RDWR)

    def _copy_out(self) -> None:
        with suppress(OSError):
            while data := self._theirs.recv(1 << 18):
                self._channel.write(data)
        self._channel.close()
        self._theirs.close()


def _begin(channel: Channel) -> None:
    """Have a fresh agent turn its line into one that carries."""
    heard = b""
    try:
        _, heard = _next_line(channel, heard)  # its greeting
        channel.write(b'{"id": 1, "op": "carry"}\n')
        answer, heard = _next_line(channel, heard)
        if "error" in json.loads(answer):
            raise EngineError(f"no port can be published: {json.loads(answer)['error']['message']}")
    except BaseException:
        channel.close()
        raise


def _next_line(channel: Channel, heard: bytes) -> tuple[bytes, bytes]:
    while b"\n" not in heard:
        more = channel.read(1 << 16)
        if not more:
            raise AgentGone(f"{_GONE} {channel.stderr_tail()}".strip())
        heard += more
    line, _, rest = heard.partition(b"\n")
    return line, rest


class _DistantPort:
    """A port as the node has it: the other end says whether it can be, and when it ends."""

    def __init__(self, line: StreamLine, ended: Callable[[], None]) -> None:
        self._line = line
        self._ended = ended
        self.number = 0
        self.answered = threading.Event()
        self.error: Exception | None = None

    def frame(self, kind: int, data: bytes) -> None:
        if kind == DATA:
            self.answered.set()
        elif kind == RESET:
            self.error = os_error(json.loads(data)) if data else AgentGone(_GONE)
            self.break_off()

    def go_on(self) -> None:
        """Nothing waits here."""

    def break_off(self) -> None:
        self.error = self.error or AgentGone(_GONE)
        self._line.forget(self.number)
        self._ended()
        self.answered.set()


class _TcpPort:
    """A socket that listens, and a stream for each connection to it."""

    def __init__(self, tunnel: PortTunnel, listener: socket.socket, of: int) -> None:
        self._tunnel = tunnel
        self._listener = listener
        self._of = of
        self._streams: set[TcpStream] = set()
        self._acceptor = Acceptor(
            tunnel.poller, listener, self._called, lambda: bool(self._streams)
        )

    def _called(self, caller: socket.socket) -> None:
        with suppress(OSError):
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line, number = self._tunnel.line, self._tunnel.open({"of": self._of})
        stream = TcpStream(line, number, over=self._over)
        self._streams.add(stream)
        stream.attach(caller)

    def _over(self, stream: TcpStream) -> None:
        self._streams.discard(stream)
        self._acceptor.one_left()

    def close(self) -> None:
        self._acceptor.close()
        self._listener.close()
        for stream in [*self._streams]:
            stream.fail()
        self._tunnel.let_go(self._of)


class _UdpPort:
    """A socket for datagrams, and a stream for each who sends some."""

    def __init__(self, tunnel: PortTunnel, listener: socket.socket, of: int) -> None:
        self.tunnel = tunnel
        self.listener = listener
        self._of = of
        self._senders: dict[Any, _UdpSender] = {}
        tunnel.poller.watch(listener, READ, self._arrived)

    def _arrived(self, events: int) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, address = self.listener.recvfrom(DATAGRAM_BYTES)
            except OSError:
                return
            sender = self._senders.get(address)
            if sender is None or sender.is_over:
                self._make_room()
                number = self.tunnel.open({"of": self._of})
                sender = self._senders[address] = _UdpSender(self, number, address)
            sender.send(data)

    def _make_room(self) -> None:
        now = time.monotonic()
        for address, sender in [*self._senders.items()]:
            silent = now - sender.heard_at > SILENT_S or sender.is_over
            if silent or len(self._senders) >= MOST_SENDERS:
                sender.end()
                del self._senders[address]

    def close(self) -> None:
        self.tunnel.poller.forget(self.listener)
        for sender in self._senders.values():
            sender.end()
        self.listener.close()
        self.tunnel.let_go(self._of)


class _UdpSender:
    """One who sends datagrams to a published port."""

    def __init__(self, port: _UdpPort, number: int, address: Any) -> None:
        self._port = port
        self._line = port.tunnel.line
        self._number = number
        self._address = address
        self.heard_at = time.monotonic()
        self.is_over = False
        self._line.add(number, self)

    def send(self, data: bytes) -> None:
        self.heard_at = time.monotonic()
        if not self._line.is_full:  # as a full queue loses it
            self._line.send(DATA, self._number, data)

    def end(self) -> None:
        if not self.is_over:
            self._line.send(RESET, self._number)
            self.break_off()

    def frame(self, kind: int, data: bytes) -> None:
        if kind == RESET:
            self.break_off()
        elif kind == DATA:
            with suppress(OSError):
                self._port.listener.sendto(data, self._address)

    def go_on(self) -> None:
        """Datagrams do not wait."""

    def break_off(self) -> None:
        self.is_over = True
        self._line.forget(self._number)
