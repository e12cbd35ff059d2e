"""The far end of a line of streams: the agent, beside the nodes."""

from __future__ import annotations

import contextlib
from typing import Any

from playground.agent.ports.datagrams import Sender
from playground.agent.ports.dialling import NodeNetwork, Target, dial
from playground.agent.ports.polling import Poller
from playground.agent.ports.streams import DATA, RESET, StreamLine, TcpStream
from playground.agent.protocol import Request


def carry_streams(reader: int, writer: int) -> None:
    """Connect each stream that is opened to the node that it names, until the line ends."""
    poller = Poller()
    FarEnd(poller, reader, writer)
    poller.run()


class FarEnd:
    """Connections to nodes, one for each stream."""

    def __init__(self, poller: Poller, reader: int, writer: int) -> None:
        self._poller = poller
        self._targets: dict[tuple[int, str, int], Target] = {}
        self.line = StreamLine(poller, reader, writer, self._opened, poller.stop)

    def _opened(self, number: int, wanted: Request) -> None:
        key = (wanted["pid"], wanted["protocol"], wanted["port"])
        target = self._targets.get(key)
        if target is None:
            pid, protocol, port = key
            target = self._targets[key] = Target(NodeNetwork(pid), protocol, port)
        try:
            if target.protocol == "tcp":
                dial(self._poller, target, TcpStream(self.line, number).attach)
            else:
                _DatagramStream(self.line, number, target)
        except OSError:  # the node is gone
            self.line.forget(number)
            self.line.send(RESET, number)


class _DatagramStream:
    """Datagrams of one sender: they come by the line, and the answers go back by it."""

    def __init__(self, line: StreamLine, number: int, target: Target) -> None:
        self.poller = line.poller
        self.target = target
        self._line = line
        self._number = number
        self._sender = Sender(self, None)
        line.add(number, self)

    def answer(self, data: bytes, address: Any) -> None:
        if not self._line.is_full:  # as a full queue loses it
            self._line.send(DATA, self._number, data)

    def frame(self, kind: int, data: bytes) -> None:
        if kind == RESET:
            self._line.forget(self._number)
            self.break_off()
        elif kind == DATA:
            if self._sender.has_nobody:  # perhaps there is somebody by now
                with contextlib.suppress(OSError):
                    self._sender = Sender(self, None)
            self._sender.send(data)

    def go_on(self) -> None:
        """Datagrams do not wait."""

    def break_off(self) -> None:
        self._sender.close()
