"""A process of its own for each operation that waits for something.

It may enter any namespace and wait for anything; the agent's loop goes on
meanwhile.

"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import selectors
import signal
from collections.abc import Callable
from typing import Any

from playground.agent.kernel.syscalls import PR_SET_PDEATHSIG, prctl
from playground.agent.line.replies import Replies
from playground.agent.nodes.descriptors import keep_only
from playground.agent.protocol import Request, describe

# Limit of operations that wait for nothing but the kernel and a file system.
WORK_LIMIT_S = 60.0

# The largest reply of one operation: more than a client can use, and no more than it can bear.
REPLY_LIMIT_BYTES = 128 << 20
_TOO_LONG = (
    f"the answer has more than {REPLY_LIMIT_BYTES >> 20} MiB: something on a node has made very "
    "much of what was asked for"
)


class Workers:
    """All that are at work, and the pipes that their replies come by."""

    def __init__(self, selector: selectors.BaseSelector, replies: Replies) -> None:
        self._selector = selector
        self._replies = replies
        self._pids: set[int] = set()

    def start(self, request_id: Any, function: Callable[..., Any], arguments: Request) -> None:
        """Do an operation in a process of its own, which writes the reply."""
        limit_s = WORK_LIMIT_S
        if "timeout_s" in arguments:
            limit_s = float(arguments["timeout_s"]) + WORK_LIMIT_S
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            work(request_id, function, arguments, limit_s, writer)
        os.close(writer)
        self._pids.add(pid)
        parts: list[bytes] = []
        room = REPLY_LIMIT_BYTES

        def collect(fd: int, events: int) -> None:
            nonlocal room
            if part := os.read(fd, 1 << 20):
                room -= len(part)
                if room >= 0:
                    parts.append(part)
                elif pid in self._pids:
                    parts.clear()
                    os.kill(pid, signal.SIGKILL)
                return
            self._selector.unregister(fd)
            os.close(fd)
            if parts and parts[-1].endswith(b"\n"):
                self._replies.send_line(b"".join(parts))
            elif room < 0:
                error = OSError(errno.EFBIG, _TOO_LONG)
                self._replies.send({"id": request_id, "error": describe(error)})
            else:
                error = OSError(errno.EIO, "the agent's worker was killed before it was done")
                self._replies.send({"id": request_id, "error": describe(error)})

        self._selector.register(reader, selectors.EVENT_READ, collect)

    def reaped(self, pid: int) -> None:
        """Take note of a child that has ended, if it was a worker."""
        self._pids.discard(pid)

    def kill(self) -> None:
        for pid in self._pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def work(
    request_id: Any,
    function: Callable[..., Any],
    arguments: Request,
    limit_s: float,
    writer: int,
) -> None:
    """Do one operation in this fresh child process, and write its reply."""
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        keep_only(writer)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        # Wiring opens two descriptors a node.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        signal.signal(signal.SIGALRM, _overdue)
        signal.setitimer(signal.ITIMER_REAL, limit_s)
        try:
            reply = {"id": request_id, "result": function(**arguments)}
        except Exception as error:
            reply = {"id": request_id, "error": describe(error)}
        line = memoryview(json.dumps(reply).encode() + b"\n")
        while line:
            line = line[os.write(writer, line) :]
        # The kernel may take its time over what this has opened.
        os.close(writer)
    finally:
        os._exit(0)


def _overdue(number: int, frame: Any) -> None:
    raise TimeoutError(errno.ETIMEDOUT, "the operation took too long and was given up")
