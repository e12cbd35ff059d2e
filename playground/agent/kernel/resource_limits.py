"""Limits of what a process may take: getrlimit(2), of a node and of the agent."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Sequence

# The rows of /proc/PID/limits, proc(5), by how they begin.
_ROWS = {
    "Max cpu time": resource.RLIMIT_CPU,
    "Max file size": resource.RLIMIT_FSIZE,
    "Max data size": resource.RLIMIT_DATA,
    "Max stack size": resource.RLIMIT_STACK,
    "Max core file size": resource.RLIMIT_CORE,
    "Max resident set": resource.RLIMIT_RSS,
    "Max processes": resource.RLIMIT_NPROC,
    "Max open files": resource.RLIMIT_NOFILE,
    "Max locked memory": resource.RLIMIT_MEMLOCK,
    "Max file locks": 10,  # RLIMIT_LOCKS of Linux, which the module does not name
    "Max pending signals": resource.RLIMIT_SIGPENDING,
    "Max msgqueue size": resource.RLIMIT_MSGQUEUE,
    "Max nice priority": resource.RLIMIT_NICE,
    "Max realtime priority": resource.RLIMIT_RTPRIO,
    "Max realtime timeout": resource.RLIMIT_RTTIME,
}

# Number, soft, hard; -1 is no limit.
ResourceLimit = tuple[int, int, int]

# Those of this process before it raised any, which the nodes have if nothing else was said.
USUAL = {number: resource.getrlimit(number) for number in _ROWS.values()}


def read_limits(text: str) -> list[ResourceLimit]:
    """Return what a /proc/PID/limits says.

    >>> read_limits("Max open files            1024                 unlimited            files")
    [(7, 1024, -1)]

    """
    found = []
    for line in text.splitlines():
        number = _ROWS.get(line[:26].strip())
        if number is not None:
            soft, hard = (
                -1 if word == "unlimited" else int(word) for word in line[26:].split()[:2]
            )
            found.append((number, soft, hard))
    return found


def other_limits(text: str) -> list[ResourceLimit]:
    """Return what a node's /proc/PID/limits says that is not as usual."""
    return [limit for limit in read_limits(text) if USUAL[limit[0]] != limit[1:]]


def set_limits(limits: Sequence[ResourceLimit]) -> None:
    """Take over limits; one that this process may not raise so far stays as it is."""
    for number, soft, hard in limits:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(number, (soft, hard))
