"""A census of what labs without Docker could leave behind.

The kernel ends a lab with its processes, so what can be left is processes, what
only a descriptor or a mount keeps alive, and control groups.  Processes are counted
exactly, whatever else the machine runs: all that come of this one stay its
descendants, for it adopts those that have lost their parents.  The machine's own
network is looked at around every test: see `tests.machine`.

"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from playground.engines.namespaces import cgroups
from playground.engines.namespaces.fork_client import forks
from tests import machine

# linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36

# Far above what it takes: these tests measure nothing.
PATIENCE_S = 15.0

T = TypeVar("T")


@dataclass(frozen=True)
class Census:
    """A count of all there is: compared before a lab and after it."""

    processes: tuple[str, ...]
    networks: int
    mounts: tuple[str, ...]
    groups: tuple[str, ...]
    descriptors: tuple[str, ...]


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Make this process the one that adopts its descendants without a parent."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def wait_for_fork_server() -> None:
    """Wait for the end of what may wait for this process's next lab: `namespaces.fork_client`."""
    wait_until(lambda: forks.pid is None, what="the end of the fork server")


def take(prefix: str) -> Census:
    """Count what is of labs whose ids begin with this, and all that comes of this process."""
    bury()
    # Processes of earlier tests may still wait for their end.
    gc.collect()
    family = descendants(os.getpid())
    return Census(
        processes=tuple(sorted(filter(None, map(_describe, family)))),
        networks=len({ns for pid in family if (ns := namespace(pid, "net"))}),
        mounts=tuple(sorted(f"{kind} at {point}" for point, kind in machine.mounts())),
        groups=tuple(lab for lab in cgroups.lab_ids() if lab.startswith(prefix)),
        descriptors=tuple(sorted(_descriptors())),
    )


def wait_for_return(prefix: str, before: Census) -> None:
    """Wait until there is no more than there was, or fail with what is.

    There may be less: earlier tests' leftovers take their time to go.

    """

    def left() -> dict[str, object]:
        now = take(prefix)
        more: dict[str, object] = {
            name: sorted((Counter(getattr(now, name)) - Counter(was)).elements())
            for name, was in vars(before).items()
            if name != "networks"
        }
        more["networks"] = max(0, now.networks - before.networks)
        return {name: what for name, what in more.items() if what}

    wait_until(left, {}, "what was left")


def children(pid: int) -> list[int]:
    """Return the processes that this one has made and that are there."""
    return [child for child, parent in _parents().items() if parent == pid]


def descendants(pid: int) -> list[int]:
    """Return all that came of a process, itself left out."""
    parents = _parents()
    found: list[int] = []
    wanted = {pid}
    while wanted:
        wanted = {child for child, parent in parents.items() if parent in wanted}
        found += wanted
    return sorted(found)


def bury() -> None:
    """Take leave of adopted processes that have ended, as the machine's first one would."""
    for pid in children(os.getpid()):
        if _state(pid) == "Z":
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def namespace(pid: int, name: str) -> int:
    """Return the number of a process's namespace; 0 if it has ended."""
    try:
        return os.stat(f"/proc/{pid}/ns/{name}").st_ino
    except OSError:
        return 0


def wait_until(look: Callable[[], T], wanted: T | None = None, what: str = "") -> T:
    """Return what `look` says once it is ``wanted``, or, without that, once it is true."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        seen = look()
        if seen == wanted if wanted is not None else seen:
            return seen
        if time.monotonic() > deadline:
            pytest.fail(f"{what or 'what was waited for'}: {seen!r}, not {wanted!r}")
        time.sleep(0.01)


def has_ended(pid: int) -> bool:
    """Whether a process is no more, or is only waiting to be taken leave of."""
    return _state(pid) in ("", "Z", "X")


def _parents() -> dict[int, int]:
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            found[int(entry.name)] = int(fields[1])
    return found


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""


def _stat(pid: int) -> list[str]:
    try:
        # The name in parentheses may hold anything: proc_pid_stat(5).
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _describe(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        return f"{pid} {_state(pid)} {command[:120]}"
    except OSError:
        return ""


def _descriptors() -> Iterator[str]:
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the folder's own
            target = os.readlink(f"/proc/self/fd/{name}")
            yield name if target.startswith("/proc/") else f"{name} {target}"
