"""Jobs that are work of the agent's own, in a process beside it: captures, watches."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import signal
import socket
from collections.abc import Callable
from typing import Any

from playground.agent.kernel.syscalls import PR_SET_PDEATHSIG, prctl
from playground.agent.line.loop import LATER, Loop
from playground.agent.nodes.descriptors import keep_only
from playground.agent.protocol import describe

# More than a pipe has by default, so that who writes seldom waits.
PIPE_BYTES = 1 << 20


def fork_job(agent: Loop, request_id: Any, begin: Callable[[], Callable[[int], None]]) -> Any:
    """Start a job in a fork: ``begin`` gets ready and returns what then writes to a descriptor.

    The reply comes when it is ready; what ``begin`` raises is the reply's error.  The job ends
    when the function does, or by a signal.

    """
    job = agent.jobs.new(request_id)
    job.channel, there = socket.socketpair()
    job.streams["stdout"], writer = os.pipe()
    with contextlib.suppress(OSError):  # an ordinary user has an allowance for pipes
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    try:
        job.pid = os.fork()
        if job.pid == 0:
            _become_job(there, writer, begin)
    except OSError:  # no process is to be had: EAGAIN
        os.close(job.streams["stdout"])
        job.channel.close()
        raise
    finally:
        there.close()
        os.close(writer)
    os.set_blocking(job.streams["stdout"], False)
    agent.jobs.add(job)
    return LATER


def _become_job(
    channel: socket.socket, writer: int, begin: Callable[[], Callable[[int], None]]
) -> None:
    """Become, in a fresh child, a job; says through the channel that it cannot."""
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        os.dup2(writer, 1)
        keep_only(channel.fileno())
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two descriptors a place
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        try:
            serve = begin()
        except Exception as error:
            channel.sendall(json.dumps(describe(error)).encode())
            return
        channel.close()
        serve(1)
    finally:
        os._exit(0)
