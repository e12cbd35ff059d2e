"""Volumes of nodes as their nodes have them: held to what was meant, and told apart."""

from __future__ import annotations

import os
from collections.abc import Sequence

from playground.agent.kernel.syscalls import checked, libc, read_text
from playground.agent.nodes.entering import inside
from playground.agent.protocol import Request

# sys/mount.h; statvfs(3) has the flags of a mount by the same numbers.
_MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND = 2, 4, 32, 4096
_HELD = _MS_NOSUID | _MS_NODEV
# With MS_RDONLY, MS_NOEXEC, MS_NOATIME, MS_NODIRATIME: what a mount is told has to be told
# again with each change.
_KEPT = _HELD | 1 | 8 | 1024 | 2048


def volumes(pid: int, targets: Sequence[str]) -> Request:
    """Take set-user-id programs and devices of volumes their power; tell which files they are.

    The answer has ``boot``, by which the kernel is known (random(4)), and ``files``: device and
    inode of what stands at each target, as stat(2) has them.  Links on the way to a target end at
    the node's root.

    """
    found = []
    with inside(pid):
        for target in targets:
            flags = os.statvfs(target).f_flag & _KEPT
            if flags & _HELD != _HELD:
                flags |= _MS_REMOUNT | _MS_BIND | _HELD
                name = os.fsencode(target)
                checked(libc.mount(None, name, None, flags, None), f"holding the volume {target}")
            there = os.stat(target)
            found.append([there.st_dev, there.st_ino])
    return {"boot": read_text("/proc/sys/kernel/random/boot_id").strip(), "files": found}
