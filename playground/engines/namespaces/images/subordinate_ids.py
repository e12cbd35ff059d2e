"""Ids that the system gives an ordinary user, for the users and groups of hosts.

Where newuidmap(1) is installed and subuid(5) gives a user a range, that user may make user
namespaces with all the ids that a system has: files of images keep their owners there.

"""

from __future__ import annotations

import contextlib
import os
import shutil

from playground.agent.kernel import syscalls

# subuid(5): that many are what Debian gives each user, and what a host needs.
_IDS = 65536


def have_ranges() -> bool:
    """Whether this user may make a user namespace with all ids that a host needs."""
    return bool(mappers(os.geteuid(), os.getegid(), os.getpid()))


def mappers(uid: int, gid: int, pid: int) -> list[list[str]]:
    """The two commands that map whole ranges of ids for a process; [] where that cannot be."""
    commands = []
    for program, own, table in (("newuidmap", uid, "subuid"), ("newgidmap", gid, "subgid")):
        start = _range(f"/etc/{table}", uid)
        path = shutil.which(program)
        if start is None or path is None:
            return []
        commands.append([path, str(pid), "0", str(own), "1", "1", str(start), str(_IDS - 1)])
    return commands


def unshare_options() -> list[str]:
    """Return the options of unshare(1) by which a command is root in such a namespace.

    The same ids mean the same there as in the one that `mappers` makes.

    """
    users, groups = (_range(f"/etc/{table}", os.geteuid()) for table in ("subuid", "subgid"))
    ranges = (f"--map-users={users},1,{_IDS - 1}", f"--map-groups={groups},1,{_IDS - 1}")
    return ["--user", "--map-root-user", *ranges]


def _range(path: str, uid: int) -> int | None:
    """Return where this user's range of subordinate ids begins, if it is long enough."""
    import pwd

    names = {str(uid)}
    with contextlib.suppress(KeyError):
        names.add(pwd.getpwuid(uid).pw_name)
    with contextlib.suppress(OSError):
        for line in syscalls.read_text(path).splitlines():
            fields = line.split(":")
            if len(fields) == 3 and fields[0] in names and int(fields[2]) >= _IDS - 1:
                return int(fields[1])
    return None
