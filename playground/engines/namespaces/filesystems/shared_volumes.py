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
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from playground.engines.namespaces.filesystems.disk_limits import memory_options, sizes_within
from playground.engines.namespaces.filesystems.mounts import MS_NODEV, MS_NOSUID, mount

# In the lab's own /run.
_PLACE = "/run/playground/shared"

_FOLDER = os.O_RDONLY | os.O_DIRECTORY

# What comes of making and opening by a name that a neighbour has put something at, or has removed.
_OF_A_NEIGHBOUR = (FileExistsError, FileNotFoundError, NotADirectoryError)


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
        be reached now, and none of its programs runs.  Those of neighbours may, and they write in
        the volume: so nothing there is looked up twice, or by a way that has a link.  What
        they put there meanwhile stays as it is.

        """
        try:
            self._lock.take()
            of_kernel = source.split("/")[1] in ("", "dev", "proc", "run", "sys")
            if os.path.isdir(target) and not of_kernel:
                with _opened(source, _FOLDER) as here, _opened(target, _FOLDER) as there:
                    if not os.listdir(there):
                        _copy_folder(here, there)
        finally:
            self._lock.close()


def _copy_folder(source: int, target: int) -> None:
    """Copy all of an open folder into another."""
    found = os.fstat(source)
    for name in os.listdir(source):
        part = os.lstat(name, dir_fd=source)
        if stat.S_ISDIR(part.st_mode):
            with _opened(name, _FOLDER, source) as here, _new(name, target, True) as there:
                if there is not None:
                    _copy_folder(here, there)
        elif stat.S_ISLNK(part.st_mode):
            with contextlib.suppress(*_OF_A_NEIGHBOUR):
                os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
                os.chown(name, part.st_uid, part.st_gid, dir_fd=target, follow_symlinks=False)
        elif stat.S_ISREG(part.st_mode):
            with _opened(name, os.O_RDONLY, source) as here, _new(name, target, False) as there:
                if there is not None:
                    _copy_bytes(here, there)
                    _copy_owner(part, there)
    _copy_owner(found, target)


@contextlib.contextmanager
def _opened(name: str, flags: int, above: int | None = None) -> Iterator[int]:
    """Open what is no link, in the open folder ``above``."""
    flags |= os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=above)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _new(name: str, above: int, folder: bool) -> Iterator[int | None]:
    """Make a folder or file and open it; None where a neighbour has put something there."""
    with contextlib.ExitStack() as undo:
        made = None
        with contextlib.suppress(*_OF_A_NEIGHBOUR):
            if folder:
                os.mkdir(name, 0o700, dir_fd=above)
            flags = _FOLDER if folder else os.O_CREAT | os.O_EXCL | os.O_WRONLY
            made = undo.enter_context(_opened(name, flags, above))
        yield made


def _copy_bytes(reader: int, writer: int) -> None:
    try:
        while os.sendfile(writer, reader, None, 1 << 24):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OSError(error.errno, "what the image has there is more than the volume") from None


def _copy_owner(found: os.stat_result, descriptor: int) -> None:
    # The mode last: chown(2) takes set-user-ID bits away.
    os.fchown(descriptor, found.st_uid, found.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
    os.utime(descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))
