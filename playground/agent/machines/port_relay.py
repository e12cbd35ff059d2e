"""Published ports of nodes on several machines: one line of streams led on to the right ones."""

from __future__ import annotations

import json
import os
import selectors
from collections.abc import Callable
from typing import Any

from playground.agent.line.replies import Replies
from playground.agent.machines.frame_routes import FrameRoutes, Frames, packed
from playground.agent.machines.lines import ServerLine
from playground.agent.machines.machine_lines import MachineLine
from playground.agent.machines.tasks import RemoteError
from playground.agent.ports.streams import OPEN, RESET
from playground.agent.protocol import Request, describe

# Who reads slowly is not sent more than this ahead.
_MOST_WAITING_BYTES = 4 << 20

# Of all else that an agent is asked the numbers are counted from 1.
_CARRY_ID = 0


class _AgentWay:
    """The line to one machine's agent, which carries once it has answered that it does."""

    def __init__(self, machine: MachineLine, line: ServerLine) -> None:
        self.machine = machine
        self.line = line
        self.frames = Frames()
        self._answer: bytearray | None = bytearray()
        self._waiting = bytearray()
        line.write(json.dumps({"id": _CARRY_ID, "op": "carry"}).encode() + b"\n")

    def send(self, frame: bytes) -> None:
        if self._answer is None:
            self.line.write(frame)
        else:
            self._waiting += frame

    def take(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """Return the frames that have come, after the agent's answer."""
        if self._answer is None:
            return self.frames.take(data)
        self._answer += data
        while b"\n" in self._answer:
            line, _, self._answer = self._answer.partition(b"\n")
            # Before that came what it was asked earlier.
            if json.loads(line).get("id") == _CARRY_ID:
                rest, self._answer = bytes(self._answer), None
                self.line.write(bytes(self._waiting))
                return self.frames.take(rest)
        return []


class PortRelay:
    """The line of streams to the library, and one to the agent on each machine that has ports.

    ``machine`` returns the line of a machine, opened where it was not yet, or raises
    `RemoteError`.  The windows of the streams bound what waits here for a slow reader.

    """

    def __init__(
        self, requests: int, replies: Replies, machine: Callable[[int], MachineLine]
    ) -> None:
        self._requests = requests
        self._replies = replies
        self._machine = machine
        self._routes = FrameRoutes()
        self._library = Frames()
        self._ways: dict[int, _AgentWay] = {}
        self._ending = False

    def serve(self, selector: selectors.BaseSelector) -> None:
        """Carry until the library's end of file; ``selector`` is the one of ``replies``."""
        while not (self._ending or self._replies.broken):
            self._watch(selector)
            for key, events in selector.select():
                if selector.get_map().get(key.fd) is key:
                    key.data(key.fd, events)

    def _watch(self, selector: selectors.BaseSelector) -> None:
        """Read no more than is taken at the other side."""
        ways = [*self._ways.values()]
        full = any(way.line.waiting_bytes >= _MOST_WAITING_BYTES for way in ways)
        _set(selector, self._requests, 0 if full else selectors.EVENT_READ, self._read)
        reads = self._replies.waiting_bytes < _MOST_WAITING_BYTES
        for way in ways:
            events = selectors.EVENT_READ if reads else 0
            if way.line.waiting_bytes:
                events |= selectors.EVENT_WRITE
            _set(selector, way.line.fileno(), events, self._hearer(selector, way))

    def _read(self, fd: int, events: int) -> None:
        data = os.read(fd, 1 << 18)
        if not data:
            self._ending = True
        for kind, number, content in self._library.take(data):
            found = self._routes.to_machine(kind, number, content)
            if found is None:
                if kind == OPEN:  # its port has ended
                    self._replies.send_line(packed(RESET, number))
                continue
            machine, frame = found
            try:
                self._way(machine).send(frame)
            except RemoteError as error:
                self._replies.send_line(self._routes.lose(machine, _coded(error.error)))
            except OSError as error:
                described = describe(error, with_traceback=False)
                self._replies.send_line(self._routes.lose(machine, _coded(described)))

    def _way(self, number: int) -> _AgentWay:
        if number not in self._ways:
            machine = self._machine(number)
            assert machine.line is not None
            self._ways[number] = _AgentWay(machine, machine.line)
        return self._ways[number]

    def _hearer(
        self, selector: selectors.BaseSelector, way: _AgentWay
    ) -> Callable[[int, int], None]:
        def hear(fd: int, events: int) -> None:
            if events & selectors.EVENT_WRITE:
                way.line.flush()
            data = way.line.read() if events & selectors.EVENT_READ else None
            out = [self._routes.to_library(*frame) for frame in way.take(data or b"")]
            if out:
                self._replies.send_line(b"".join(out))
            if data == b"" or way.line.closed:
                selector.unregister(fd)
                self._lose(way)

        return hear

    def _lose(self, way: _AgentWay) -> None:
        way.machine.gone = True
        way.line.close()
        del self._ways[way.machine.number]
        error = way.machine.death().error
        self._replies.send_line(self._routes.lose(way.machine.number, _coded(error)))


def _coded(error: Request) -> bytes:
    return json.dumps(error).encode()


def _set(selector: selectors.BaseSelector, fd: int, events: int, call: Any) -> None:
    """Have a selector watch for these events of a descriptor, for none where they are 0."""
    key = selector.get_map().get(fd)
    if not events:
        if key is not None:
            selector.unregister(fd)
    elif key is None:
        selector.register(fd, events, call)
    elif key.events != events:
        selector.modify(fd, events, call)
