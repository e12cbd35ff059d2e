"""The agent's end of a line, and what comes out of it at the library's."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import time
from typing import Any

from playground.agent.line.replies import Replies


class Line:
    """A line out, with the selector that drives whatever replies on it."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.replies = Replies(self.selector, self.writer)
        self.read = b""

    def turn(self, patience_s: float = 0) -> None:
        """Handle what is ready, as the loop does."""
        for key, events in self.selector.select(patience_s):
            if self.selector.get_map().get(key.fd) is key:
                key.data(key.fd, events)

    def said(self) -> list[Any]:
        """Return every message that has come out whole."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.reader, 1 << 16):
                self.read += data
        return [json.loads(line) for line in self.read.split(b"\n")[:-1]]

    def until(self, wanted: int) -> list[Any]:
        """Turn until so many messages have come out, and return all."""
        deadline = time.monotonic() + 10
        while len(self.said()) < wanted:
            assert time.monotonic() < deadline, self.said()
            self.turn(0.05)
        return self.said()

    def close(self) -> None:
        self.selector.close()
        for fd in (self.reader, self.writer):
            with contextlib.suppress(OSError):
                os.close(fd)


def open_files() -> list[str]:
    """Return the descriptors that this process has open."""
    return sorted(os.listdir("/proc/self/fd"))
