"""Views of /proc, fresh ones where many networks' settings are looked up in turn.

A name below /proc/sys/net is another file in each network namespace, and the kernel keeps all that
were looked up in one /proc under the same name in one list, which it walks (proc_sys_compare in
fs/proc/proc_sysctl.c): with 1,000 hosts that was 0.95 of the 1.55 s of processor time in which
their settings were written, with 3,000 nine times as much.  Each mount of proc has lists
of its own.

See proc(5), fsopen(2), fsmount(2).

"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator, Sequence
from typing import TypeVar

from playground.agent.kernel.syscalls import system_call

# The same on all machines: asm-generic/unistd.h, and unistd_64.h of x86.
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432

# linux/mount.h: closed at an exec; make what is configured; nosuid, nodev, noexec.
_CLOEXEC, _CMD_CREATE, _ATTRIBUTES = 1, 6, 2 | 4 | 8

# As many networks share a view: to mount one takes as long as to walk some thirty names.
_NETWORKS = 32

_place = "/proc"

T = TypeVar("T")


def settings_place() -> str:
    """Return where sysctls are, in the view that is used now."""
    return f"{_place}/sys"


def with_fresh_views(items: Sequence[T]) -> Iterator[T]:
    """Yield items that each look into another network, with a fresh view for every few.

    Where there are few, or the kernel mounts none so (before Linux 5.8, or without the power to),
    all have the usual view.

    """
    with contextlib.ExitStack() as undo:
        for number, item in enumerate(items):
            if number % _NETWORKS == 0 and len(items) > _NETWORKS:
                undo.close()
                with contextlib.suppress(OSError):
                    view = _mounted()
                    undo.callback(os.close, view)
                    undo.callback(_use, _place)
                    _use(f"/proc/self/fd/{view}")
            yield item


def _use(place: str) -> None:
    global _place
    _place = place


def _mounted() -> int:
    """Mount a proc of its own where nobody sees it; return a descriptor of its root."""
    kind = ctypes.create_string_buffer(b"proc")
    made = system_call(_FSOPEN, ctypes.addressof(kind), _CLOEXEC)
    try:
        system_call(_FSCONFIG, made, _CMD_CREATE, 0, 0, 0)
        return system_call(_FSMOUNT, made, _CLOEXEC, _ATTRIBUTES)
    finally:
        os.close(made)
