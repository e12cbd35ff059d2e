"""The register of a lab's hosts: which process is the first of which, as the makers say.

A host's root may write into the memory of its first process, and so into the environment
that /proc shows of it.  What a host is called must not come from there: who is root would
link another host with the machine than the one asked for.  So the makers note each host in
the lab's own /run, which no host sees, and which ends with the lab: a link that is called
as the host, and leads to "PID:INODE", the number of its first process as the lab counts,
and that of its process-id namespace.

A neighbour of `host_maker` and `labels`: standard library only, and no import of ours.  See
pid_namespaces(7), ioctl_ns(2).

"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import NamedTuple

# In the lab's own /run.
_PLACE = "/run/playground/hosts"

# linux/nsfs.h
_NS_GET_PARENT = 0xB702


class First(NamedTuple):
    """The first process of a namespace in a lab's: how it is told from all others."""

    lab: int  # the inode of the lab's process-id namespace
    pid: int  # as the lab counts
    namespace: int  # the inode of its own


def make() -> None:
    """Make an empty register; to be called once a lab, in its own /run."""
    os.mkdir(_PLACE, 0o755)


def note(name: str, pid: int) -> None:
    """Note a host that was made, in place of one of that name that was there before."""
    place = f"{_PLACE}/{name}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place)
    try:
        namespace = os.stat(f"/proc/{pid}/ns/pid").st_ino
    except FileNotFoundError:
        return  # it has ended already
    os.symlink(f"{pid}:{namespace}", place)


def noted(keeper: int) -> dict[str, First]:
    """Return the hosts that were made in a keeper's lab; some may have ended.

    {} where there is no such lab, or it is another user's.

    """
    found = {}
    with contextlib.suppress(OSError):
        lab = os.stat(f"/proc/{keeper}/ns/pid_for_children").st_ino
        folder = f"/proc/{keeper}/root{_PLACE}"
        for name in os.listdir(folder):
            with contextlib.suppress(OSError, ValueError):
                pid, namespace = os.readlink(f"{folder}/{name}").split(":")
                found[name] = First(lab, int(pid), int(namespace))
    return found


def running() -> Iterator[tuple[First, tuple[int, ...]]]:
    """Yield what may be a host's first process, with its numbers from here inwards."""
    own = os.stat("/proc/self/ns/pid").st_ino
    for name in filter(str.isdigit, os.listdir("/proc")):
        # It ended meanwhile, or is another user's.
        with contextlib.suppress(OSError):
            namespace = os.stat(f"/proc/{name}/ns/pid").st_ino
            if namespace == own:
                continue
            pids = _numbers(name)
            if len(pids) == 3 and pids[-1] == 1:
                yield First(_parent(name), pids[1], namespace), pids


def _numbers(pid: str) -> tuple[int, ...]:
    """Return a process's numbers from this namespace inwards, () of one that has ended.

    See proc_pid_status(5).

    """
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            if line.startswith(("State:\tZ", "State:\tX")):
                break
            if line.startswith("NSpid:"):
                return tuple(map(int, line.split()[1:]))
    return ()


def _parent(pid: str) -> int:
    """Return the inode of the namespace that a process's own was made in."""
    own = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        parent = fcntl.ioctl(own, _NS_GET_PARENT)
    finally:
        os.close(own)
    try:
        return os.fstat(parent).st_ino
    finally:
        os.close(parent)
