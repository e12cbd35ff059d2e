"""What the kernel says of a process in one line: proc_pid_stat(5)."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from playground.agent.kernel.syscalls import read_text


class ProcessStat(NamedTuple):
    """Facts of one process, by the numbers of the reader's process-id namespace."""

    name: str
    state: str  # one letter
    parent: int
    group: int
    cpu_s: float
    started_ticks: int  # of the clock, since the machine's boot
    environment: tuple[int, int]  # where it begins and ends; 0 for who may not know


def process_stat(pid: int | str) -> ProcessStat:
    """Return what is known of a process, or of "self"; raises OSError where it is gone."""
    return parse_stat(read_text(f"/proc/{pid}/stat"))


def parse_stat(text: str) -> ProcessStat:
    """Read the line of a process; its name in parentheses may hold anything, these too.

    >>> parse_stat("7 (a) b) S 1 " + " ".join(map(str, range(5, 53)))).name
    'a) b'

    """
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = ["", "", "", *rest.split()]  # by the numbers of the manual, which count from 1
    if len(fields) < 52:
        raise ProcessLookupError(errno.ESRCH, "the process has ended")
    return ProcessStat(
        # Any bytes but NUL, and a reader is to print it.
        name=name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
        state=fields[3],
        parent=int(fields[4]),
        group=int(fields[5]),
        cpu_s=(int(fields[14]) + int(fields[15])) / os.sysconf("SC_CLK_TCK"),
        started_ticks=int(fields[22]),
        environment=(int(fields[50]), int(fields[51])),
    )
