"""Processes of a node, as its kernel lists them: rows of `RunningProcess`."""

from __future__ import annotations

from playground.display.tables import Table
from playground.model.records import dataclass
from playground.operations.connection.handles import Node

# proc_pid_stat(5), "state".
STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "waiting",
    "Z": "ended",
    "T": "stopped",
    "t": "traced",
    "X": "ended",
    "I": "idle",
}


@dataclass(frozen=True)
class RunningProcess:
    """One process of a node.

    ``pid`` and ``parent`` are numbers as the node sees them, ``parent`` 0 for what was
    begun from outside, as its first process and what `run` starts.  ``memory_mb`` is
    what it has in memory now, ``cpu_s`` the processor time that it has taken.  An
    "ended" one waits for its parent to ask how (a zombie).

    """

    pid: int
    parent: int
    user: str
    state: str
    memory_mb: float
    cpu_s: float
    command: str


def processes(node: Node) -> Table[RunningProcess]:
    """Return what runs on this node, as its kernel says: a row for each process.

    ::

        >>> www.processes()
        pid  parent  user  state     memory_mb  cpu_s  command
          1       0  root  sleeping       0.45   0.01  /run/playground/pause
        ...

    What the agent keeps there to start commands is left out.  Source: proc(5).

    """
    live = node.running()
    return Table(
        RunningProcess(
            pid=row["pid"],
            parent=row["parent"],
            user=row["user"],
            state=STATES.get(row["state"], row["state"]),
            memory_mb=round(row["memory_bytes"] / 2**20, 2),
            cpu_s=row["cpu_s"],
            command=row["command"],
        )
        for row in live.agent.call("processes", pid=live.pid)
    )


def kill_background(node: Node) -> int:
    """Kill what commands of this program have left running on the node; return how many.

    A command of `run`, `start`, `python` or a cell may leave processes in the background,
    which go on after it: a server that was meant to, or a fork bomb.  They are killed from
    outside, so that it works where the node may start no process more.  Services, programs of
    the lab, jobs that still run, and what has begun a session of its own (setsid(2)) go on.

    ::

        >>> h1.run("sleep 600 & sleep 700 &")
        Result(args='sleep 600 & sleep 700 &', returncode=0, stdout='', stderr='')
        >>> h1.kill_background()
        2

    """
    live = node.running()
    return int(live.agent.call("kill_background", pid=live.pid))
