"""Roots of nodes that nothing may write to any more: mount(2), MS_REMOUNT."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence

from playground.agent.kernel.syscalls import checked, libc
from playground.agent.nodes.entering import inside

# sys/mount.h
MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
# MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME, MS_NODIRATIME, by the same numbers in statvfs(3):
# what a mount is told has to be told again with each change.
KEPT = 2 | 4 | 8 | 1024 | 2048


_LIVE = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")


def _is_regular(path: str) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISREG(os.lstat(path).st_mode)
    return False


def read_only(pids: Sequence[int]) -> None:
    """Make the root of each node one that cannot be written to.

    What is mounted in it stays as it is: volumes, /dev/shm, the lab's own place.  So do the
    files by which names are changed while the lab runs.

    """
    for pid in pids:
        with inside(pid):
            for path in filter(_is_regular, _LIVE):
                name = path.encode()
                checked(libc.mount(name, name, None, MS_BIND, None), f"keeping {path} writable")
            flags = MS_REMOUNT | MS_BIND | MS_RDONLY | os.statvfs("/").f_flag & KEPT
            checked(libc.mount(None, b"/", None, flags, None), "making a root read-only")
