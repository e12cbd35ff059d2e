"""Volumes: files and folders of the machine, bound into a host's root.

A neighbour of `maker`: standard library only, and `mounts`.

A volume is opened while the machine's root is still there, and bound when the host's root
is in its place, so that links on the way to where it is to be seen lead within the host.

"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from playground.engines.namespaces.mounts import (
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_RDONLY,
    MS_REMOUNT,
    mount,
)

# Of these a mount in a user namespace keeps those that it has: mount_namespaces(7).
_KEPT = {
    os.ST_NOEXEC: 8,  # MS_NOEXEC
    os.ST_NOATIME: 1024,
    os.ST_NODIRATIME: 2048,
    os.ST_RELATIME: 1 << 21,
    os.ST_RDONLY: MS_RDONLY,
}


class OpenVolume(NamedTuple):
    """A file or folder that was found, and where it is to be seen."""

    descriptor: int
    target: str
    read_only: bool


def open_volumes(wanted: Iterable[Mapping[str, Any]]) -> list[OpenVolume]:
    """Open what is to be shown: {"source", "target", "read_only"}, both paths absolute.

    A source has no links on its way: those that it had were followed when it was named.
    Raises OSError where it has one now, or is gone.

    """
    return [
        OpenVolume(_open_without_links(item["source"]), item["target"], item["read_only"])
        for item in wanted
    ]


def _open_without_links(path: str) -> int:
    found = os.open("/", os.O_PATH | os.O_CLOEXEC)
    for part in filter(None, path.split("/")):
        above = found
        try:
            found = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        except OSError as error:
            raise OSError(error.errno, f"the volume {path}: {error.strerror}") from None
        finally:
            os.close(above)
        if stat.S_ISLNK(os.fstat(found).st_mode):
            os.close(found)
            raise OSError(errno.ELOOP, f"the volume {path} was replaced by a link")
    return found


def show_volumes(opened: Iterable[OpenVolume]) -> None:
    """Bind what was opened into the root that this process has now, and close it.

    Folders on the way are made.  Of a folder no other file system is shown that is mounted
    below it; devices and set-user-id programs in it are of no use to a host.

    """
    for volume in opened:
        before = os.umask(0o022)
        try:
            _make_place(volume)
        finally:
            os.umask(before)
        source = f"/proc/self/fd/{volume.descriptor}"
        mount(source, volume.target, "", MS_BIND)
        flags = MS_NOSUID | MS_NODEV | (MS_RDONLY if volume.read_only else 0)
        had = os.statvfs(volume.target).f_flag
        flags |= sum(meant for bit, meant in _KEPT.items() if had & bit)
        mount("", volume.target, "", MS_REMOUNT | MS_BIND | flags)
        os.close(volume.descriptor)


def _make_place(volume: OpenVolume) -> None:
    if stat.S_ISDIR(os.fstat(volume.descriptor).st_mode):
        os.makedirs(volume.target, 0o755, exist_ok=True)
        return
    os.makedirs(os.path.dirname(volume.target), 0o755, exist_ok=True)
    os.close(os.open(volume.target, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o644))
