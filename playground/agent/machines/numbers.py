"""Numbers of processes and jobs that are one of a kind among all machines of a swarm.

A machine's own number comes from what Swarm calls it, so that nobody has to keep a list: the
number of a process is that and, in the lowest bits, the process id there.

"""

from __future__ import annotations

import re
from typing import Any

# linux/threads.h, PID_MAX_LIMIT: a process id is smaller than this.
_PID_BITS = 22
_PID_MASK = (1 << _PID_BITS) - 1

# Of Swarm's 25 characters of base 36 six are enough to tell thousands of machines apart.
_CHARACTERS = 6

# Jobs are counted by each agent from 1.
_JOB_BITS = 22


def machine_number(node_id: str) -> int:
    """Return the number of the machine that Swarm calls so.

    >>> machine_number("0000019kq3hk3yl8vq2ihkvyx")
    2

    """
    return int(node_id[:_CHARACTERS], 36) + 1


def global_pid(machine: int, pid: int) -> int:
    """Return the number that a process of a machine has among all."""
    return machine << _PID_BITS | pid


def machine_of(number: int) -> int:
    """Return the machine of a process's number; 0 for a bare process id."""
    return number >> _PID_BITS


def local_pid(number: int) -> int:
    """Return the process id that a number has on its machine."""
    return number & _PID_MASK


def global_job(machine: int, job: int) -> int:
    return machine << _JOB_BITS | job


def machine_of_job(number: int) -> int:
    return number >> _JOB_BITS


def local_job(number: int) -> int:
    return number & ((1 << _JOB_BITS) - 1)


def with_global_pids(text: str, machine: int) -> str:
    """Return an error's text in which process ids are those among all machines.

    >>> with_global_pids("in the node of pid 7: no such device", 2)
    'in the node of pid 8388615: no such device'

    """
    return re.sub(r"\bpid (\d+)", lambda found: f"pid {global_pid(machine, int(found[1]))}", text)


# Where requests have process ids: one, or a list of them.
_WITH_PIDS = frozenset({"pid", "pids", "watch", "servers"})


def with_local_pids(value: Any) -> Any:
    """Return a request's arguments in which process ids are those of their own machine."""
    if isinstance(value, list):
        return [with_local_pids(item) for item in value]
    if isinstance(value, dict):
        return {
            name: _local(item) if name in _WITH_PIDS else with_local_pids(item)
            for name, item in value.items()
        }
    return value


def _local(value: Any) -> Any:
    if isinstance(value, list):
        return [_local(item) for item in value]
    return local_pid(value) if isinstance(value, int) else value
