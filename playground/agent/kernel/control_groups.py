"""Control groups: the ones that a process is in, and how another joins them: cgroups(7)."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Sequence

from playground.agent.kernel.syscalls import read_text


def parse_cgroups(text: str) -> dict[str, str]:
    """Return {controllers: path} of a /proc/PID/cgroup; version 2 has the key ""."""
    cgroups = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        cgroups[controllers] = path
    return cgroups


def parse_cgroup_mounts(mountinfo: str) -> list[tuple[set[str], str, str]]:
    """Return (options, mount point, root) of each cgroup mount of a mountinfo.

    A version 2 mount has the one option "".  Machines may have version 1,
    version 2, or both at once.

    """
    mounts = []
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        root, point = left.split(" ")[3:5]
        if kind == "cgroup2":
            mounts.append(({""}, point, root))
        elif kind == "cgroup":
            mounts.append((set(options.split(",")), point, root))
    return mounts


def cgroup_files(
    cgroups: dict[str, str],
    own: dict[str, str],
    mounts: Sequence[tuple[set[str], str, str]],
) -> list[str]:
    """Return the cgroup.procs files to write in so as to join these groups.

    A hierarchy in which the agent is in that group itself needs none, and one
    that is mounted nowhere has none.

    """
    files = []
    for controllers, path in cgroups.items():
        if own.get(controllers) == path:
            continue
        for options, point, root in mounts:
            if set(controllers.split(",")) <= options:
                if root != "/" and path.startswith(root):
                    path = path[len(root) :]
                files.append(f"{point}{path.rstrip('/')}/cgroup.procs")
                break
    return files


def memory_is_limited(files: Sequence[str]) -> bool:
    """Whether one of these groups, by their cgroup.procs files, has a limit of memory."""
    for path in files:
        folder = os.path.dirname(path)
        with contextlib.suppress(OSError):
            return read_text(f"{folder}/memory.max").strip() != "max"
        with contextlib.suppress(OSError):
            # None is the largest number of whole pages.
            return int(read_text(f"{folder}/memory.limit_in_bytes")) < 1 << 60
    return False


@functools.cache
def own_cgroups() -> dict[str, str]:
    return parse_cgroups(read_text("/proc/self/cgroup"))


@functools.cache
def cgroup_mounts() -> list[tuple[set[str], str, str]]:
    return parse_cgroup_mounts(read_text("/proc/self/mountinfo"))


def join_cgroups(files: Sequence[str]) -> None:
    """Move this process into the control groups of these cgroup.procs files."""
    for path in files:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                # 0 is the writing process, whatever its namespace calls it.
                os.write(fd, b"0")
            finally:
                os.close(fd)
        except OSError as error:
            raise OSError(
                error.errno,
                f"cannot join the node's control group by {path}: {error.strerror}",
            ) from None
