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


class FreshViews:
    """Views for items that each look into another network, a fresh one for every few.

    Where there are few items, or the kernel mounts no views (before Linux 5.8, or without the
    power to), all have the usual one.  In a second turn an item has the view of the first, where
    the kernel finds its files sooner.  Closed at the end of a ``with`` block.

    """

    def __init__(self) -> None:
        self._views: dict[int, int] = {}

    def __enter__(self) -> FreshViews:
        return self

    def __exit__(self, *raised: object) -> None:
        for view in self._views.values():
            os.close(view)
        self._views.clear()

    def each(self, items: Sequence[T]) -> Iterator[T]:
        """Yield the items in turn, the same ones each time; each is to be looked at meanwhile."""
        with contextlib.ExitStack() as undo:
            for number, item in enumerate(items):
                if number % _NETWORKS == 0 and len(items) > _NETWORKS:
                    undo.close()
                    with contextlib.suppress(OSError):
                        if number not in self._views:
                            self._views[number] = _mounted()
                        undo.callback(_use, _place)
                        _use(f"/proc/self/fd/{self._views[number]}")
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
