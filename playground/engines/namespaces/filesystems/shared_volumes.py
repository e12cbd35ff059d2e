"""Volumes that the hosts of a lab share: file systems in memory, which end with the lab.

A neighbour of `host_maker`: standard library, `mounts` and `disk_limits`.

They are mounted in the lab's own /run, which no host sees, and bound into hosts as folders of
the machine are: `volumes`.  A host's root never writes into the machine by them.

"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterable, Mapping
from typing import Any

from playground.engines.namespaces.filesystems.disk_limits import memory_options, sizes_within
from playground.engines.namespaces.filesystems.mounts import MS_NODEV, MS_NOSUID, mount

# In the lab's own /run.
_PLACE = "/run/playground/shared"


def shared_source(name: str) -> str:
    """Return where a volume stands in the lab."""
    return f"{_PLACE}/{name}"


def make_shared(volumes: Iterable[Mapping[str, Any]]) -> None:
    """Mount each volume that is shared and not there yet; one holds as much as a host.

    To be called in the lab's own mount namespace; several makers may do so at once.

    """
    for item in volumes:
        if not item.get("shared"):
            continue
        folder = shared_source(item["source"])
        with contextlib.closing(_Lock(item["source"])) as lock:
            lock.take()
            if not os.path.ismount(folder):
                os.makedirs(folder, 0o755, exist_ok=True)
                sizes = sizes_within(None)
                options = memory_options(sizes.disk_kb, 0o755, sizes.files)
                mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, options)


class _Lock:
    """A lock on one volume: flock(2) on a file beside it."""

    def __init__(self, name: str) -> None:
        os.makedirs(_PLACE, 0o700, exist_ok=True)
        path = f"{_PLACE}/.{name}"
        self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def take(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def close(self) -> None:
        os.close(self._file)


class Filling:
    """The right to fill a volume once with what an image has at its place.

    Made before the root changes, for its lock is in the lab's /run; a descriptor of a file
    leads nowhere else.  One is held at a time, so that no two hosts wait for each other.

    """

    def __init__(self, name: str) -> None:
        self._lock = _Lock(name)

    def fill(self, source: str, target: str) -> None:
        """Copy a folder of the host's root into a volume that is empty still, and let go.

        Links are copied as they are, device files left out.  Nothing but the host's root can
        be reached now, and none of its programs runs.

        """
        try:
            self._lock.take()
            of_kernel = source.split("/")[1] in ("", "dev", "proc", "run", "sys")
            if os.path.isdir(target) and not of_kernel and not os.listdir(target):
                _copy_folder(source, target)
        finally:
            self._lock.close()


def _copy_folder(source: str, target: str) -> None:
    _copy_owner(os.lstat(source), target)
    for name in os.listdir(source):
        here, there = f"{source}/{name}", f"{target}/{name}"
        found = os.lstat(here)
        if stat.S_ISDIR(found.st_mode):
            os.mkdir(there)
            _copy_folder(here, there)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(here), there)
            os.lchown(there, found.st_uid, found.st_gid)
        elif stat.S_ISREG(found.st_mode):
            _copy_file(here, there)
            _copy_owner(found, there)


def _copy_file(here: str, there: str) -> None:
    no_link = os.O_NOFOLLOW | os.O_CLOEXEC
    reader = os.open(here, os.O_RDONLY | no_link)
    try:
        writer = os.open(there, os.O_CREAT | os.O_EXCL | os.O_WRONLY | no_link, 0o600)
        try:
            while os.sendfile(writer, reader, None, 1 << 24):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise OSError(error.errno, "what the image has there is more than the volume") from None
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _copy_owner(found: os.stat_result, path: str) -> None:
    # The mode last: chown(2) takes set-user-ID bits away.
    os.chown(path, found.st_uid, found.st_gid, follow_symlinks=False)
    os.chmod(path, stat.S_IMODE(found.st_mode))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
