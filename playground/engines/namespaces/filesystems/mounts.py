"""Mounting: mount(2), its flags, and the options of an overlay.

A neighbour of `host_maker`: standard library only, and no import of ours.

"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Iterator, Sequence

# sys/mount.h
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount a file system (mount(2)); raises OSError that names it."""
    result = _libc.mount(
        source.encode() or None,
        os.fsencode(target),
        kind.encode() or None,
        flags,
        data.encode() or None,
    )
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(
            number, f"mounting {kind or source or 'a change'} on {target}: {os.strerror(number)}"
        )


def unmount(target: str) -> None:
    """Take away what is mounted there, at once (umount2(2), MNT_DETACH)."""
    if _libc.umount2(os.fsencode(target), MNT_DETACH) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unmounting {target}: {os.strerror(number)}")


def overlay_options(layers: Sequence[str]) -> str:
    """Return the option that names the lower layers, uppermost first.

    >>> overlay_options(["/a:b", "/c"])
    'lowerdir=/a\\\\:b:/c'

    """
    lower = ":".join(layer.replace("\\", "\\\\").replace(":", "\\:") for layer in layers)
    return f"lowerdir={lower}"


@contextlib.contextmanager
def short_names(layers: Sequence[str], limit_bytes: int) -> Iterator[list[str]]:
    """Yield names of these folders for `overlay_options` that need at most so many bytes.

    An image may have 127 layers (moby's maximum), whose paths are together longer than what
    mount(2) takes.  Within the block they are numbers of descriptors, and the working
    directory is where those are names: /proc/self/fd.

    """
    if len(overlay_options(layers).encode()) <= limit_bytes:
        yield list(layers)
        return
    with contextlib.ExitStack() as undo:
        here = os.open(".", os.O_PATH | os.O_CLOEXEC)
        undo.callback(os.close, here)
        undo.callback(os.fchdir, here)
        opened = []
        for layer in layers:
            opened.append(os.open(layer, os.O_PATH | os.O_CLOEXEC))
            undo.callback(os.close, opened[-1])
        os.chdir("/proc/self/fd")
        yield list(map(str, opened))


@functools.cache
def in_user_namespace() -> bool:
    """Whether this lab is an ordinary user's, who may mount less; looked at once."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return file.read().split() != ["0", "0", "4294967295"]
