"""Users and groups by number, which a lab may have, or root alone."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Sequence

from playground.agent.kernel.syscalls import read_text


def has_all_ids() -> bool:
    """Whether nodes have more users than root; first called outside of all nodes.

    A lab of an ordinary user is in a user namespace, which may know root alone
    (user_namespaces(7), "User and group ID mappings").

    """
    return count_ids() > 1


@functools.cache
def count_ids() -> int:
    """Return how many users this process knows; first called outside of all nodes."""
    lines = read_text("/proc/self/uid_map").splitlines()
    return sum(int(line.split()[2]) for line in lines)


ROOT_ALONE = (
    "this lab was started without root, and its hosts know no other user than root: run it as "
    "root, or have root install uidmap and give you a range of ids in /etc/subuid"
)


def give_to(target: int | str, uid: int, gid: int) -> None:
    """Change who owns a file, where there is anybody else than root."""
    if has_all_ids():
        os.chown(target, uid, gid)


def become_group(gid: int, groups: Sequence[int]) -> None:
    if not has_all_ids():
        if gid != 0:
            raise PermissionError(errno.EPERM, ROOT_ALONE)
        return  # setgroups(2) is denied there
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
