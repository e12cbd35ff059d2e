"""Sockets that live in nodes, and the client's descriptor that they are handed through."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os
import socket

from playground.agent.kernel.syscalls import libc, read_text
from playground.agent.nodes.entering import in_network, read_status

# asm-generic/unistd.h: the same on every architecture that Docker runs on.
SYS_PIDFD_GETFD = 438

_ELSEWHERE = "the engine runs on another machine, or in a virtual machine of its own"
_HIDDEN = "the engine does not see the processes of this machine"
_REFUSED = "the engine may not reach this program, as where it runs without root"


def open_socket(pid: int, family: int, kind: int, protocol: int) -> socket.socket:
    """Open a socket in a node's network namespace, where it stays wherever it goes."""
    with in_network(pid):
        return socket.socket(family, kind, protocol)


def take_descriptor(boot_id: str, pid: int, pid_namespace: int, descriptor: int) -> int | str:
    """Copy a descriptor of a process of this machine; why it cannot be, as text.

    Nothing of it lies in a file system, where somebody else could find it.

    """
    # See pidfd_getfd(2): it takes CAP_SYS_PTRACE, which the helper has.
    if read_text("/proc/sys/kernel/random/boot_id").strip() != boot_id:
        return _ELSEWHERE
    found = _find_process(pid, pid_namespace)
    if found is None:
        return _HIDDEN
    try:
        handle = os.pidfd_open(found)
    except ProcessLookupError:
        return _HIDDEN
    try:
        taken = int(libc.syscall(SYS_PIDFD_GETFD, handle, descriptor, 0))
        if taken < 0:
            number = ctypes.get_errno()
            if number == errno.EPERM:
                return _REFUSED
            raise OSError(number, f"taking the client's socket: {os.strerror(number)}")
        return taken
    finally:
        os.close(handle)


def _find_process(pid: int, pid_namespace: int) -> int | None:
    """Find a process by what it is called in its own process-id namespace."""
    # The number is mostly ours as well; else the last of NSpid, proc_pid_status(5).
    others = (int(name) for name in os.listdir("/proc") if name.isdigit())
    for candidate in itertools.chain([pid], others):
        with contextlib.suppress(OSError, KeyError):
            if os.stat(f"/proc/{candidate}/ns/pid").st_ino != pid_namespace:
                continue
            if int(read_status(candidate)["NSpid"].split()[-1]) == pid:
                return candidate
    return None
