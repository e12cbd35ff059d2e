"""The kernel's calls that Python 3.11 lacks, and its files of text."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Iterator

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4

# sched.h
CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_GET_PDEATHSIG = 2
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

# linux/capability.h
_LINUX_CAPABILITY_VERSION_3 = 0x20080522


def checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def system_call(number: int, *arguments: int) -> int:
    """Make a system call that libc has no function for (syscall(2)); raises `OSError`."""
    result = int(libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def setns(fd: int, kind: int) -> None:
    """Move this process into the namespace behind a file descriptor (setns(2))."""
    checked(libc.setns(fd, kind), "entering a namespace")


def unshare(kinds: int) -> None:
    """Leave namespaces for new ones (unshare(2))."""
    checked(libc.unshare(kinds), "making a namespace")


def prctl(option: int, argument: int = 0, second: int = 0) -> int:
    return int(libc.prctl(option, argument, second, 0, 0))


@contextlib.contextmanager
def keeping_death_signal() -> Iterator[None]:
    """Have the same signal at the parent's death after the block as before.

    The kernel forgets it with a change of user (PR_SET_PDEATHSIG in prctl(2)), for a
    moment too.

    """
    number = ctypes.c_int()
    prctl(PR_GET_PDEATHSIG, ctypes.addressof(number))
    try:
        yield
    finally:
        prctl(PR_SET_PDEATHSIG, number.value)


def capability_sets(effective: int, permitted: int, inheritable: int) -> tuple[bytes, bytes]:
    """Return a process's three capability sets, each a mask, as capset(2) takes them."""
    header = struct.pack("Ii", _LINUX_CAPABILITY_VERSION_3, 0)
    low = 0xFFFFFFFF
    data = struct.pack(
        "6I",
        effective & low,
        permitted & low,
        inheritable & low,
        effective >> 32,
        permitted >> 32,
        inheritable >> 32,
    )
    return header, data


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set this process's three capability sets, each a mask (capset(2))."""
    header, data = capability_sets(effective, permitted, inheritable)
    checked(libc.capset(header, data), "setting capabilities")


def read_text(path: str, limit_bytes: int = sys.maxsize) -> str:
    """Return a file of the machine's own, of /proc and the like; see `read_in_node`.

    With ``limit_bytes``, for what a process may have put there, the beginning of it.

    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while limit_bytes > 0 and (part := os.read(fd, min(limit_bytes, 1 << 16))):
            parts.append(part)
            limit_bytes -= len(part)
    finally:
        os.close(fd)
    return b"".join(parts).decode("utf-8", "surrogateescape")


def write_text(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def permitted_capabilities() -> int:
    header = struct.pack("Ii", _LINUX_CAPABILITY_VERSION_3, 0)
    data = ctypes.create_string_buffer(24)
    checked(libc.capget(header, data), "reading capabilities")
    words = struct.unpack("6I", data.raw)
    return int(words[1] | words[4] << 32)
