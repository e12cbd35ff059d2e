"""Replies on their way to the library: whole lines, written as it reads them."""

from __future__ import annotations

import json
import os
import selectors
from collections import deque

from playground.agent.protocol import Request


class Replies:
    """The line out; ``broken`` when nobody listens any more."""

    def __init__(self, selector: selectors.BaseSelector, fd: int) -> None:
        os.set_blocking(fd, False)
        self.broken = False
        self._selector = selector
        self.fd = fd
        self._outgoing: deque[memoryview] = deque()
        self.waiting_bytes = 0

    def send(self, message: Request) -> None:
        self.send_line(json.dumps(message).encode() + b"\n")

    def send_line(self, line: bytes) -> None:
        if not line:
            return
        self._outgoing.append(memoryview(line))
        self.waiting_bytes += len(line)
        if len(self._outgoing) == 1:
            self._flush(self.fd, 0)
            if self._outgoing:
                self._selector.register(self.fd, selectors.EVENT_WRITE, self._flush)

    def _flush(self, fd: int, events: int) -> None:
        while self._outgoing:
            try:
                written = os.write(self.fd, self._outgoing[0])
            except BlockingIOError:
                return
            except OSError:
                self.broken = True
                self._outgoing.clear()
                self.waiting_bytes = 0
                break
            self.waiting_bytes -= written
            if written < len(self._outgoing[0]):
                self._outgoing[0] = self._outgoing[0][written:]
            else:
                self._outgoing.popleft()
        if events:
            self._selector.unregister(fd)
