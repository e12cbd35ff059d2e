"""User namespaces of hosts: what keeps one host's power over networks out of all others.

A host's root may change its own network (CAP_NET_ADMIN).  Of a network that it names by
a number (IFLA_TARGET_NETNSID of rtnetlink) the kernel asks the same: whether the host
has that capability in the user namespace which owns the network (rtnl_get_net_ns_capable
in net/core/rtnetlink.c).  So each host has a user namespace that owns its network, and
has no rights in those that own others.

Users and groups have the same numbers inside and outside: files, set-user-ID programs
and capabilities of files are as they were.

A neighbour of `host_maker`: standard library and `agent` only.  See user_namespaces(7).

"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import mmap
import os
import random
import signal
from collections.abc import Iterator

from playground.agent.kernel import syscalls

# sched.h
_CLONE_VM = 0x100

_STACK_BYTES = 1 << 16

# The kernel counts a user's share of it (of inotify(7), say) for the owner of a user
# namespace as well.  So each has an owner of its own, from numbers that systemd's
# docs/UIDS-GIDS.md lists as free.
_OWNERS = range(0x7000_0000, 0x7FFF_0000)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.clone.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]

# linux/ptrace.h
_PTRACE_SEIZE = 0x4206
_PTRACE_O_EXITKILL = 1 << 20


@contextlib.contextmanager
def made_with_network() -> Iterator[tuple[int, int]]:
    """Make a user namespace that owns a network; yield descriptors of both, closed at the end.

    Raises OSError with what to do where the machine refuses.  Takes 0.3 ms more than a
    network alone.

    """
    with contextlib.ExitStack() as undo:
        pid = _start_process()
        # It runs nothing that could ask for its parent's death (prctl(2)), and must not outlive
        # a maker that is killed.  Where tracing is forbidden, it ends with the lab.
        _libc.ptrace(_PTRACE_SEIZE, pid, None, _PTRACE_O_EXITKILL)
        # It ends while others go on, and is taken leave of when that costs no wait.
        undo.callback(os.waitpid, pid, 0)
        try:
            for kind in ("uid_map", "gid_map"):
                syscalls.write_text(f"/proc/{pid}/{kind}", _same_numbers(kind))
            user = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            undo.callback(os.close, user)
            network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            undo.callback(os.close, network)
        finally:
            os.kill(pid, signal.SIGKILL)
        yield user, network


def _start_process() -> int:
    """Start a process in these namespaces that only waits; return its process id.

    It shares this one's memory, and runs the C library's pause(2) on a stack of its own:
    to copy the page tables of a Python would take ten times as long.  One that is killed
    never comes back to that stack, so the next may have it at once.

    """
    with _as_owner():
        flags = _CLONE_VM | syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNET | signal.SIGCHLD
        pid = int(_libc.clone(ctypes.cast(_libc.pause, ctypes.c_void_p), _stack(), flags, None))
        number = ctypes.get_errno()
    if pid < 0:
        raise OSError(number, f"{_REFUSED}: {os.strerror(number)}")
    return pid


_REFUSED = (
    "each host has a user namespace of its own, and this machine refuses one (see "
    "`sysctl user.max_user_namespaces`, or use a Docker engine)"
)


@functools.cache
def _stack() -> int:
    """Return where a stack begins, at its upper end: clone(2)."""
    memory = mmap.mmap(-1, _STACK_BYTES)
    _kept.append(memory)
    return ctypes.addressof(ctypes.c_char.from_buffer(memory)) + _STACK_BYTES - 64


_kept: list[mmap.mmap] = []


@contextlib.contextmanager
def _as_owner() -> Iterator[None]:
    """Be another user within the block, with all of root's capabilities, where there are any."""
    if not _has_whole_range():
        yield
        return
    held = syscalls.permitted_capabilities()
    with syscalls.keeping_death_signal():
        os.seteuid(random.choice(_OWNERS))
        try:
            syscalls.capset(held, held, 0)
            yield
        finally:
            os.seteuid(0)


@functools.cache
def _has_whole_range() -> bool:
    return syscalls.read_text("/proc/self/uid_map").split() == ["0", "0", "4294967295"]


@functools.cache
def _same_numbers(kind: str) -> str:
    """Return a map in which all numbers that this process knows mean themselves."""
    rows = [line.split() for line in syscalls.read_text(f"/proc/self/{kind}").splitlines()]
    return "".join(f"{first} {first} {count}\n" for first, _, count in rows)
