"""The far end of a line of streams: the agent, beside the nodes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

from playground.agent.ports.datagrams import Sender
from playground.agent.ports.dialling import NodeNetwork, Target, dial
from playground.agent.ports.polling import READ, Poller
from playground.agent.ports.streams import DATA, RESET, StreamLine, TcpStream
from playground.agent.protocol import Request, describe


def carry_streams(reader: int, writer: int) -> None:
    """Connect each stream that is opened to the node that it names, until the line ends."""
    poller = Poller()
    NodeStreams(poller, reader, writer)
    poller.run()


class NodeStreams:
    """Ports of nodes, and connections to them, one for each stream."""

    def __init__(self, poller: Poller, reader: int, writer: int) -> None:
        self._poller = poller
        self._ports: dict[int, _PortOfNode] = {}
        self.line = StreamLine(poller, reader, writer, self._opened, poller.stop)

    def _opened(self, number: int, wanted: Request) -> None:
        try:
            if "pid" in wanted:
                self._ports[number] = _PortOfNode(
                    self._poller, self.line, number, wanted, self._over
                )
                self.line.send(DATA, number)
                return
        except OSError as error:
            described = describe(error, with_traceback=False)
            self.line.send(RESET, number, json.dumps(described).encode())
            return
        port = self._ports.get(wanted["of"])
        if port is None:  # its node has ended
            self.line.send(RESET, number)
        elif port.target.protocol == "tcp":
            dial(self._poller, port.target, TcpStream(self.line, number).attach)
        else:
            _DatagramStream(self.line, number, port.target)

    def _over(self, number: int) -> None:
        del self._ports[number]


class _PortOfNode:
    """A port of a node: it ends with the node's first process, or when it is told so."""

    def __init__(
        self,
        poller: Poller,
        line: StreamLine,
        number: int,
        wanted: Request,
        over: Callable[[int], None],
    ) -> None:
        self._poller = poller
        self._line = line
        self._number = number
        self._over = over
        self._network = NodeNetwork(wanted["pid"])
        self.target = Target(self._network, wanted["protocol"], wanted["port"])
        try:
            poller.watch(self._network.process, READ, self._node_ended)
        except OSError:
            self._network.close()
            raise
        line.add(number, self)

    def _node_ended(self, events: int) -> None:
        self._line.send(RESET, self._number)
        self.break_off()

    def frame(self, kind: int, data: bytes) -> None:
        if kind == RESET:
            self.break_off()

    def go_on(self) -> None:
        """Nothing waits here."""

    def break_off(self) -> None:
        self._poller.forget(self._network.process)
        self._network.close()
        self._line.forget(self._number)
        self._over(self._number)


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
