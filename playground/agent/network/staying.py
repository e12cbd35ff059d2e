"""Processes that stay beside a node when the request is answered that began them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
from collections.abc import Callable, Collection, Iterable
from typing import Any

from playground.agent.kernel.syscalls import PR_SET_PDEATHSIG, prctl
from playground.agent.protocol import Request

# What such a process calls itself (proc_pid_comm(5)), for whoever ends it before its node does.
STAYING = "lab-staying"


def begin_each(
    items: Iterable[Request], begin: Callable[[Request, float, int], object], deadline: float
) -> list[Any]:
    """Have ``begin(item, deadline, writer)`` in a child of its own for each, beside each other.

    Each writes {"result": ...} or an error as JSON, closes its pipe, and may `stay`.  Returns the
    results in the order of ``items``; raises OSError for the first that told an error.

    """
    results = []
    with contextlib.ExitStack() as stack:
        readers = []
        for item in items:
            reader, writer = os.pipe()
            if os.fork() == 0:
                os.close(reader)
                begin(item, deadline, writer)
            os.close(writer)
            readers.append(stack.enter_context(os.fdopen(reader, "rb")))
        for said in readers:
            reply = json.loads(said.read() or b'{"error": "it ended"}')
            if "error" in reply:
                raise OSError(reply.get("errno") or errno.EIO, reply["error"])
            results.append(reply["result"])
    return results


def stay(kept: Collection[int]) -> bool:
    """Go on in a child of this process, that of no request any more; return whether this is it.

    ``kept`` are the descriptors that it needs; all others are closed.  Its own work ends when
    its node does, of which it has a handle.

    """
    if os.fork() != 0:
        return False
    os.setsid()
    prctl(PR_SET_PDEATHSIG, 0)
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as own_name:
        own_name.write(STAYING)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))
    return True
