"""Owners of labs: a process of a user on a machine, and whether it still runs.

A lab bears its owner's name, ``user@machine:pid``, and a mark by which the process is
known for certain: numbers of processes are used again, and are counted anew after a
reboot and in each process-id namespace (pid_namespaces(7)).

"""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
from contextlib import suppress
from pathlib import Path

from playground.agent.kernel.process_stat import process_stat


def user() -> str:
    """Return the name of who runs this program."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name, as in some containers
        return str(os.getuid())


def own_name() -> str:
    """Return this process as an owner, ``user@machine:pid``."""
    return f"{user()}@{socket.gethostname()}:{os.getpid()}"


def own_mark() -> str:
    """Return what tells this process from any other of its number; "" where nothing does.

    Four words: the machine, its boot, the process-id namespace, and when the process was
    started (in ticks since the boot).

    """
    with suppress(OSError):
        return " ".join((*_place(), str(process_stat(os.getpid()).started_ticks)))
    return ""


def is_own(name: str) -> bool:
    """Whether an owner is a process of this user on this machine."""
    return name.rpartition(":")[0] == f"{user()}@{socket.gethostname()}"


def is_gone(name: str, mark: str = "") -> bool:
    """Whether the process that owns a lab has ended.

    One that cannot be asked counts as alive: on another machine, in another
    process-id namespace.  Without a mark another process of that number is
    taken for the owner.

    """
    place, _, number = name.rpartition(":")
    if place.rpartition("@")[2] != socket.gethostname() or not number.isdigit():
        return False
    words = mark.split()
    if len(words) == 4:
        try:
            machine, boot, namespace = _place()
        except OSError:
            return False
        if words[0] != machine:
            return False
        if words[1] != boot:
            return True
        if words[2] != namespace:
            return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass  # it is there, or no process can be
    if len(words) == 4:
        with suppress(OSError):  # hidden (hidepid in proc(5)), or ended just now
            return str(process_stat(int(number)).started_ticks) != words[3]
    return False


def _place() -> tuple[str, str, str]:
    """Return words for this machine, its boot, and this process-id namespace."""
    try:
        identity = Path("/etc/machine-id").read_bytes()
    except OSError:
        identity = socket.gethostname().encode()
    # machine-id(5): it is confidential, and not to be shown as it is.
    machine = hashlib.sha256(b"playground" + identity.strip()).hexdigest()[:16]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return machine, boot, str(os.stat("/proc/self/ns/pid").st_ino)
