"""Limits of a host: the memory, processor time and processes that it may take of the machine.

A limit is declared with a host, ``Host("h1", memory_mb=64)``, and the engine
that runs it has the kernel hold it (cgroups(7)).  Only the numbers live here.

"""

from __future__ import annotations

from playground.errors import TopologyError
from playground.model.arguments import is_number, is_whole, shown
from playground.model.records import dataclass

# Where nothing is said: far more than any service of ours starts (a mail server
# some 30), and few enough that a fork bomb ends in its host.  Linux gives a
# machine of 2 cores 32,768 process ids in all (kernel/pid.c, pid_idr_init).
DEFAULT_PROCESSES = 4096

# Docker refuses less ("Minimum memory limit allowed is 6MB"), and a program
# would hardly start in it.
MINIMUM_MEMORY_MB = 6

# A host's first process, a shell with two programs in a pipe, and a login.
MINIMUM_PROCESSES = 8

# Far above what machines have: EiB of memory, PID_MAX_LIMIT and NR_CPUS (include/linux/threads.h).
_MOST_MEMORY_MB, _MOST_PROCESSES, _MOST_CPUS = 2**42, 2**22, 8192

# Docker's own least; the kernel's is 1 ms in each of its periods of 100 ms.
MINIMUM_CPUS = 0.01


@dataclass(frozen=True)
class Limits:
    """The most that a host may take; None where no limit was set.

    ``memory_mb`` is in units of 2**20 bytes and counts all that its processes
    have in memory, files that they write into memory too: those in /run and,
    without Docker, all; ``cpus`` is
    processor time in processors, 0.5 for half of one; ``processes`` counts
    processes and threads.

    """

    memory_mb: int | None = None
    cpus: float | None = None
    processes: int | None = None

    def __bool__(self) -> bool:
        """Tell whether anything was said."""
        return self != NO_LIMITS


NO_LIMITS = Limits()


def make_limits(node: str, memory_mb: object, cpus: object, processes: object) -> Limits:
    """Return what was said of this node's limits, if it can be.

    Raises `TopologyError` for what is no number, or too small to live with.

    >>> make_limits("h1", 64, 0.5, None)
    Limits(memory_mb=64, cpus=0.5, processes=None)

    """
    return Limits(
        _whole(
            f"{node}: memory_mb={shown(memory_mb)} is no whole number of megabytes, "
            f"{MINIMUM_MEMORY_MB} or more; write one such as 64, or leave it out for no limit",
            memory_mb,
            MINIMUM_MEMORY_MB,
            _MOST_MEMORY_MB,
        ),
        _processors(node, cpus),
        _whole(
            f"{node}: processes={shown(processes)} is no whole number of processes, "
            f"{MINIMUM_PROCESSES} or more; write one such as 100, or leave it out for "
            f"{DEFAULT_PROCESSES}",
            processes,
            MINIMUM_PROCESSES,
            _MOST_PROCESSES,
        ),
    )


def _whole(complaint: str, value: object, least: int, most: int) -> int | None:
    if value is None:
        return None
    if not is_whole(value, least, most):
        raise TopologyError(complaint)
    return value


def _processors(node: str, cpus: object) -> float | None:
    if cpus is None:
        return None
    if not is_number(cpus, MINIMUM_CPUS, _MOST_CPUS):
        raise TopologyError(
            f"{node}: cpus={shown(cpus)} is no number of processors, {MINIMUM_CPUS} or more; "
            f"write 0.5 for half of one, or leave it out for no limit"
        )
    return float(cpus)
