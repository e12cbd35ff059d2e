"""Processes of a node, as rows: proc(5)."""

from __future__ import annotations

import contextlib
import os

from playground.agent.kernel.process_stat import process_stat
from playground.agent.nodes.entering import inside
from playground.agent.nodes.users import user_names
from playground.agent.protocol import Request

# At most so much of a file of /proc is read: a command may have megabytes of words.
_MOST_BYTES = 32 << 10


def processes(pid: int) -> list[Request]:
    own = os.readlink(f"/proc/{pid}/ns/pid")
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        # Any may end while it is looked at, and of some no more can be seen.
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{name}/ns/pid") == own:
                found.append(_process(name))
    with inside(pid):
        users = user_names()
    for row in found:
        row["user"] = users.get(row["user"], row["user"])
    return sorted(found, key=lambda row: row["pid"])


def _process(number: str) -> Request:
    """Read proc_pid_status(5), proc_pid_stat(5) and proc_pid_cmdline(5)."""
    status, words = (_text_of(f"/proc/{number}/{name}") for name in ("status", "cmdline"))
    stat = process_stat(number)
    said = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return {
        # As seen from each namespace that it is in, the node's own last.
        "pid": int(said["NSpid"].split()[-1]),
        "parent": _number_inside(stat.parent, said),
        "user": said["Uid"].split()[0],
        "state": stat.state,
        "memory_bytes": int(said.get("VmRSS", "0 kB").split()[0]) * 1024,
        "cpu_s": stat.cpu_s,
        # A process of the kernel, or one that has ended, has no words.
        "command": words.rstrip("\0").replace("\0", " ") or f"[{stat.name}]",
        "executable": _executable(number),
    }


def _executable(number: str) -> str:
    """Return what a process executes, whatever it calls itself; "" where that is not to be seen."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{number}/exe")
    return ""


def _number_inside(parent: int, said: dict[str, str]) -> int:
    """Return a parent's number in its child's innermost namespace, 0 for one outside."""
    with contextlib.suppress(OSError):
        for line in _text_of(f"/proc/{parent}/status").splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return int(numbers[-1]) if len(numbers) == len(said["NSpid"].split()) else 0
    return 0


def _text_of(path: str) -> str:
    with open(path, "rb") as file:
        return file.read(_MOST_BYTES).decode("utf-8", "replace")
