"""A process of its own for each operation that waits for something.

It may enter any namespace and wait for anything; the agent's loop goes on
meanwhile.

"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
from collections.abc import Callable
from typing import Any

from playground.agent.kernel.syscalls import PR_SET_PDEATHSIG, prctl
from playground.agent.nodes.descriptors import keep_only
from playground.agent.protocol import Request, describe

# Limit of operations that wait for nothing but the kernel and a file system.
WORK_LIMIT_S = 60.0


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
