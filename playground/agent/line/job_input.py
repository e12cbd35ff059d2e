"""The stdin of a job: what a client writes, passed on as the command reads it."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
from collections import deque
from typing import Any

from playground.agent.line.replies import Replies
from playground.agent.protocol import describe

READS_NO_MORE = "the command reads no more from its stdin"


class JobInput:
    """The agent's end of a job's stdin; ``fd`` is -1 where there is none, or none any more."""

    def __init__(self, selector: selectors.BaseSelector, replies: Replies) -> None:
        self.fd = -1
        self.closing = False
        self._selector = selector
        self._replies = replies
        self._pending: deque[tuple[memoryview, Any]] = deque()

    def write(self, content: bytes, request_id: Any) -> None:
        """Write, and reply to the request when all is written."""
        if self.fd < 0 or self.closing:
            raise BrokenPipeError(errno.EPIPE, READS_NO_MORE)
        self._queue(content, request_id)

    def end(self, terminal: bool) -> None:
        """Close it when all is written that was asked for."""
        if self.fd < 0 or self.closing:
            return
        self.closing = True
        if terminal:
            # termios(3): the character that stands for end of file.
            self._queue(b"\x04", None)
        elif not self._pending:
            self.close("")

    def close(self, reason: str) -> None:
        """Close it at once; requests that wait for it get the reason."""
        if self.fd < 0:
            return
        with contextlib.suppress(KeyError):
            self._selector.unregister(self.fd)
        os.close(self.fd)
        self.fd = -1
        while self._pending:
            _, request_id = self._pending.popleft()
            if request_id is not None:
                error = BrokenPipeError(errno.EPIPE, reason)
                self._replies.send({"id": request_id, "error": describe(error)})

    def _queue(self, content: bytes, request_id: Any) -> None:
        self._pending.append((memoryview(content), request_id))
        if len(self._pending) == 1:
            self._write()
            if self._pending:
                self._selector.register(
                    self.fd,
                    selectors.EVENT_WRITE,
                    lambda fd, events: self._write(registered=True),
                )

    def _write(self, registered: bool = False) -> None:
        while self._pending:
            view, request_id = self._pending[0]
            try:
                written = os.write(self.fd, view)
            except BlockingIOError:
                return
            except OSError:
                self.close(READS_NO_MORE)
                return
            if written < len(view):
                self._pending[0] = (view[written:], request_id)
                continue
            self._pending.popleft()
            if request_id is not None:
                self._replies.send({"id": request_id, "result": None})
        if registered:
            self._selector.unregister(self.fd)
        if self.closing:
            self.close("")
