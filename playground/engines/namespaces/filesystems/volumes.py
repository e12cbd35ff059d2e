"""Volumes: files and folders of the machine, bound into a host's root.

A neighbour of `host_maker`: standard library, `mounts`, `paths_in_root`, `shared_volumes` and
`engines.volume_sources`.

A volume is bound to a place of ours while the machine's root is still there, and moved to
where it is to be seen when that root is gone: links on the way there are the host's.  For as long
as the machine's root is stacked on the host's, as pivot_root(2) leaves it, "/.." is the machine's.

"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from playground.engines.namespaces.filesystems.mounts import (
    MS_BIND,
    MS_MOVE,
    MS_NODEV,
    MS_NOSUID,
    MS_RDONLY,
    MS_REMOUNT,
    mount,
)
from playground.engines.namespaces.filesystems.paths_in_root import made_place
from playground.engines.namespaces.filesystems.shared_volumes import Filling, shared_source
from playground.engines.volume_sources import open_without_links

# Of these a mount in a user namespace keeps those that it has: mount_namespaces(7).
_KEPT = {
    os.ST_NOEXEC: 8,  # MS_NOEXEC
    os.ST_NOATIME: 1024,
    os.ST_NODIRATIME: 2048,
    os.ST_RELATIME: 1 << 21,
    os.ST_RDONLY: MS_RDONLY,
}


# Later steps of the maker need them: /proc/self/fd, the first program.
_NOT_TO_BE_HIDDEN = ("/proc/", "/run/playground/")


class HeldVolume(NamedTuple):
    """A volume that is mounted where nobody looks for it yet."""

    holder: str
    folder: bool
    source: str
    target: str
    # Of one that hosts share, and that this one may write.
    filling: Filling | None = None


def hold_volumes(
    wanted: Iterable[Mapping[str, Any]], place: str, of_image: bool
) -> list[HeldVolume]:
    """Bind what is to be shown into a fresh folder ``place`` of the root to be.

    Each is {"source", "target", "read_only", "shared"}, both paths absolute; the source of what
    is shared is a name, and where the root is ``of_image`` it is filled from there.  A source
    has no links on its way: those that it had were followed when it was named.  Raises OSError
    where it has one now, or is gone.  Of a folder no other file system is shown that is
    mounted below it; devices and set-user-id programs in it are of no use to a host.  No
    folder stays open: from one a link of the host's could climb into the machine's folders.

    """
    held, filled = [], set()
    for number, item in enumerate(wanted):
        holder = f"{place}/{number}"
        shared = bool(item.get("shared"))
        source = shared_source(item["source"]) if shared else item["source"]
        found = open_without_links(source)
        try:
            folder = stat.S_ISDIR(os.fstat(found).st_mode)
            if folder:
                os.makedirs(holder, 0o700)
            else:
                os.makedirs(place, 0o700, exist_ok=True)
                os.close(os.open(holder, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC))
            mount(f"/proc/self/fd/{found}", holder, "", MS_BIND)
        finally:
            os.close(found)
        flags = MS_NOSUID | MS_NODEV | (MS_RDONLY if item["read_only"] else 0)
        had = os.statvfs(holder).f_flag
        flags |= sum(meant for bit, meant in _KEPT.items() if had & bit)
        mount("", holder, "", MS_REMOUNT | MS_BIND | flags)
        fills = shared and of_image and not item["read_only"] and source not in filled
        filling = Filling(item["source"]) if fills else None
        filled.add(source)
        held.append(HeldVolume("/" + holder, folder, item["source"], item["target"], filling))
    return held


def show_volumes(held: Sequence[HeldVolume], place: str) -> None:
    """Move what is held in ``place`` to where the host is to see it, and remove ``place``.

    To be called when nothing but the host's root can be reached.  Folders on the way are made.
    Raises OSError where a target leads to what the host needs, or to another kind of file.

    """
    for volume in held:
        if volume.filling:
            # Before others hide what the image has there.
            with _named(volume), made_place(volume.target) as target:
                volume.filling.fill(target.path, volume.holder)
    for volume in sorted(held, key=lambda volume: volume.target.count("/")):
        with _named(volume), made_place(volume.target, folder=volume.folder) as target:
            if f"{target.path}/".startswith(_NOT_TO_BE_HIDDEN):
                raise OSError(errno.EPERM, f"it would hide the host's {target.path}")
            if not volume.folder and stat.S_ISDIR(os.fstat(target.descriptor).st_mode):
                raise IsADirectoryError(errno.EISDIR, f"{target.path} is a folder there")
            mount(volume.holder, target.name, "", MS_MOVE)
        (os.rmdir if volume.folder else os.unlink)(volume.holder)
    if held:
        os.rmdir(place)


@contextlib.contextmanager
def _named(volume: HeldVolume) -> Iterator[None]:
    """Name the volume in what is raised."""
    try:
        yield
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        raise OSError(
            error.errno, f"{volume.source} cannot stand at {volume.target}: {reason}"
        ) from None
