"""Workers that answer twice: once they are ready, and when they are told that it is over."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import selectors
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

from playground.agent.kernel.syscalls import PR_SET_PDEATHSIG, prctl
from playground.agent.line.replies import Replies
from playground.agent.nodes.descriptors import keep_only
from playground.agent.nodes.regular_files import write_all
from playground.agent.protocol import Request, describe

# What nobody ends in so long was forgotten by whoever began it.
_LIMIT_S = 600
# Of those that ended before they were told to; what the oldest found is forgotten first.
_MOST_KEPT = 16

# Yields once it is ready, and once more what it has found after the descriptor told it to end.
TwoParts = Callable[..., Iterator[Any]]


class _TwoPartWorker:
    def __init__(self, number: int, line: socket.socket, pid: int, request_id: Any) -> None:
        self.number = number
        self.line = line
        self.pid = pid
        self.request_id = request_id
        self.parts: list[bytes] = []
        self.said: bytes | None = None


class TwoPartWorkers:
    """All of them, by their numbers, which is what the first answer says."""

    def __init__(self, selector: selectors.BaseSelector, replies: Replies) -> None:
        self._selector = selector
        self._replies = replies
        self._workers: dict[int, _TwoPartWorker] = {}
        # What was found by those that ended before they were told to.
        self._found: dict[int, bytes] = {}
        self._count = 0

    def begin(self, request_id: Any, function: TwoParts, arguments: Request) -> None:
        """Begin work in a process of its own; the answer comes when it is ready."""
        ours, theirs = socket.socketpair()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            _work(function, arguments, theirs.fileno())
        theirs.close()
        self._count += 1
        worker = _TwoPartWorker(self._count, ours, pid, request_id)
        self._workers[worker.number] = worker
        self._selector.register(ours, selectors.EVENT_READ, lambda fd, events: self._hear(worker))

    def end(self, request_id: Any, number: int) -> None:
        """Tell one that it is over; the answer is what it has found."""
        if number in self._found:
            self._replies.send({"id": request_id, **json.loads(self._found.pop(number))})
            return
        worker = self._workers.get(number)
        if worker is None or worker.request_id is not None:
            raise LookupError(f"no such worker waits for its end: {number!r}")
        worker.request_id = request_id
        with contextlib.suppress(OSError):  # it ended first, and is heard of
            worker.line.send(b"\n")
        self._answer(worker)

    def kill(self) -> None:
        for worker in self._workers.values():
            with contextlib.suppress(OSError):
                os.kill(worker.pid, signal.SIGKILL)

    def _hear(self, worker: _TwoPartWorker) -> None:
        try:
            data = worker.line.recv(1 << 20)
        except ConnectionResetError:  # it ended with what it was told unread: unix(7)
            data = b""
        *lines, rest = data.split(b"\n")
        for line in lines:
            worker.said = b"".join([*worker.parts, line])
            worker.parts = []
            self._answer(worker)
        if rest:
            worker.parts.append(rest)
        if not data:
            self._selector.unregister(worker.line)
            worker.line.close()
            if worker.request_id is not None:
                gone = OSError(errno.EIO, "the agent's worker was killed before it was done")
                self._replies.send({"id": worker.request_id, "error": describe(gone)})
            elif worker.said is not None:
                self._found[worker.number] = worker.said
                for number in list(self._found)[:-_MOST_KEPT]:
                    del self._found[number]
            del self._workers[worker.number]

    def _answer(self, worker: _TwoPartWorker) -> None:
        """Answer who waits for a worker, once it has said something."""
        if worker.said is None or worker.request_id is None:
            return
        said = json.loads(worker.said)
        if said == {"result": None}:
            said = {"result": worker.number}
        self._replies.send({"id": worker.request_id, **said})
        worker.request_id = worker.said = None


def _work(function: TwoParts, arguments: Request, line: int) -> None:
    """Do both parts in this fresh child process, and say what comes of each."""
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        keep_only(line)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        # Of a place that is watched it holds several descriptors.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        signal.alarm(_LIMIT_S)
        try:
            for found in function(line, **arguments):
                write_all(line, json.dumps({"result": found}).encode() + b"\n")
        except Exception as error:
            write_all(line, json.dumps({"error": describe(error)}).encode() + b"\n")
    finally:
        os._exit(0)
