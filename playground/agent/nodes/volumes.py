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
    the node's root.  Each is looked up once: neighbours that share a volume may change what is in
    it, and so the way to another one that stands there.

    """
    found = []
    # Links of descriptors lead past all paths, but the node's /proc does not know this process.
    links = os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with inside(pid):
            os.fchdir(links)
            for target in targets:
                found.append(_held(target))
    finally:
        os.close(links)
    return {"boot": read_text("/proc/sys/kernel/random/boot_id").strip(), "files": found}


def _held(target: str) -> list[int]:
    """Hold what stands at a path; return its device and inode.  Here are links of descriptors."""
    opened = os.open(target, os.O_PATH | os.O_CLOEXEC)
    try:
        flags = os.fstatvfs(opened).f_flag & _KEPT
        if flags & _HELD != _HELD:
            flags |= _MS_REMOUNT | _MS_BIND | _HELD
            name = str(opened).encode()
            checked(libc.mount(None, name, None, flags, None), f"holding the volume {target}")
        there = os.fstat(opened)
        return [there.st_dev, there.st_ino]
    finally:
        os.close(opened)
