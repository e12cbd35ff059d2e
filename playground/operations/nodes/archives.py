"""Archives (tar) as they go to a node and come from one.

A node is not trusted: what it sends is written below the place asked for and
nowhere else, whatever its archive says.

"""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import tarfile
import warnings
from pathlib import Path
from typing import IO

from playground.display.safe_text import visible
from playground.model.arguments import is_number
from playground.operations.connection.client import AgentProcess
from playground.operations.connection.commands import time_left

# Of one message to the agent: large enough that its cost is small beside the
# copying, small enough that other threads' requests get a turn.
_PIECE_BYTES = 256 * 1024

# Of the names and attributes of one entry.
_HEAD_BYTES = 1 << 20

# A file takes at least a block of a disk.
_BLOCK_BYTES = 4096


def pack(process: AgentProcess, deadline: float | None, source: Path, name: str) -> None:
    """Send a file or directory to a process's input, as an archive of one thing called ``name``.

    All of it is root's there.

    """
    with tarfile.open(
        fileobj=_InputWriter(process, deadline),
        mode="w|",
        format=tarfile.PAX_FORMAT,
        bufsize=_PIECE_BYTES,
    ) as archive:
        # The thing itself is followed if it is a link, links inside it are kept.
        archive.add(source.resolve(), arcname=name, filter=_owned_by_root)


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


class _InputWriter(io.RawIOBase):
    """The writing end of a process's input, as tarfile wants it."""

    def __init__(self, process: AgentProcess, deadline: float | None) -> None:
        self._process = process
        self._deadline = deadline

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        for start in range(0, len(view), _PIECE_BYTES):
            piece = bytes(view[start : start + _PIECE_BYTES])
            self._process.write(piece, time_left(self._deadline))
        return len(view)


class _OutputReader(io.RawIOBase):
    """The reading end of a process's output, as tarfile wants it."""

    def __init__(self, process: AgentProcess, deadline: float | None) -> None:
        self._process = process
        self._deadline = deadline
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        if not self._rest:
            self._rest = self._process.read_stdout(time_left(self._deadline))
        size = min(len(view), len(self._rest))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class Room:
    """How many bytes there may be of what comes, so that nobody fills our disk."""

    def __init__(self, limit_bytes: int | None) -> None:
        self._limit_bytes = limit_bytes
        self._left = limit_bytes

    def take(self, count: int) -> None:
        """Take so much of it; raises `OSError` where there is no more."""
        if self._left is None or self._limit_bytes is None:
            return
        self._left -= count
        if self._left < 0:
            raise OSError(
                errno.EFBIG,
                f"it takes more than {self._limit_bytes / 1e6:g} MB; allow it more with "
                "limit_mb=...",
            )


class _Member(tarfile.TarInfo):
    """An entry of an archive whose names and attributes are of bounded size."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        # tarfile reads these whole, before anybody can look at what they say.
        whole = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
        names = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
        if self.type in (*whole, *names) and self.size > _HEAD_BYTES:
            raise tarfile.ReadError("an entry with a name or attributes of more than 1 MiB")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


def unpack(process: AgentProcess, deadline: float | None, root: Path, room: Room) -> str:
    """Unpack what a process prints; see `receive`."""
    return receive(_OutputReader(process, deadline), root, room)


def receive(stream: io.RawIOBase, root: Path, room: Room) -> str:
    """Unpack an archive of one thing as ``root``; return what is wrong with it.

    Whatever the thing is called there, all its entries have to begin with that name.

    Only directories, files and links are made, and links last, so that nothing
    can be written through one.  Links that lead out of ``root`` and devices
    are left out with a warning.

    """
    # Of the standard library's answer (PEP 706) some versions have holes of
    # their own (CVE-2025-4517), so its checks are not what this relies on.
    directories: list[tuple[Path, tarfile.TarInfo]] = []
    links: list[tuple[Path, tarfile.TarInfo]] = []
    left_out = []
    top = None
    try:
        with tarfile.open(
            fileobj=stream, mode="r|", bufsize=_PIECE_BYTES, tarinfo=_Member
        ) as archive:
            for member in archive:
                room.take(_BLOCK_BYTES)
                parts = member.name.split("/")
                top = parts[0] if top is None else top
                if parts[0] != top or top in ("", ".") or ".." in parts or "\0" in member.name:
                    return f"an entry called {member.name!r:.100} came"
                path = root.joinpath(*parts[1:])
                if member.isdir():
                    path.mkdir(parents=True, exist_ok=True)
                    directories.append((path, member))
                elif member.isreg():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    content = archive.extractfile(member)
                    assert content is not None  # a regular file has some
                    _store(content, path, member, room)
                elif member.issym() and _leads_inside(member, len(parts) - 2):
                    links.append((path, member))
                elif member.islnk():
                    problem = _link_hard(root, path, member.linkname, top)
                    if problem:
                        return problem
                elif len(parts) == 1:
                    return "it is no file and no directory"
                else:
                    left_out.append("/".join(parts[1:]))
    except (tarfile.TarError, EOFError) as error:
        # The command has failed then, and what it said is better.
        return f"what came is no whole archive ({error})" if os.path.lexists(root) else ""
    for path, member in links:
        if _is_below_link(root, path):
            left_out.append(str(path.relative_to(root)))
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(member.linkname)
        _keep_time(path, member, follow=False)
    for path, member in reversed(directories):
        _keep_attributes(path, member)
    if left_out:
        warnings.warn(
            visible(
                "left out, because they lead elsewhere or are no files: " + ", ".join(left_out)
            ),
            stacklevel=5,
        )
    return ""


def _store(content: IO[bytes], path: Path, member: tarfile.TarInfo, room: Room) -> None:
    # x: an entry that comes twice would be written through a hard link.
    with open(path, "xb") as file:
        # An entry may be sparse, and far longer than what came.
        while piece := content.read(_PIECE_BYTES):
            room.take(len(piece))
            file.write(piece)
    _keep_attributes(path, member)


def _keep_time(path: Path, member: tarfile.TarInfo, *, follow: bool) -> None:
    """Give a copy its time, unless a hostile host's is none that a file system has."""
    if is_number(member.mtime, -(2**33), 2**34):  # ext4: years 1901 to 2446
        os.utime(path, (member.mtime, member.mtime), follow_symlinks=follow)


def _keep_attributes(path: Path, member: tarfile.TarInfo) -> None:
    """Give a file or directory the mode and time that it had on the node."""
    # No set-user-id bits: what root owned there, somebody else owns here.
    os.chmod(path, member.mode & 0o777)
    _keep_time(path, member, follow=True)


def _leads_inside(member: tarfile.TarInfo, depth: int) -> bool:
    """Whether a link that stands this many directories deep stays below the top.

    Its ".." have to come first and to be no more than that: behind the name of
    another link they would lead up from wherever that one leads.

    """
    parts = [part for part in member.linkname.split("/") if part not in ("", ".")]
    up = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    return not member.linkname.startswith("/") and up <= depth and ".." not in parts[up:]


def _is_below_link(root: Path, path: Path) -> bool:
    """Whether the way from `root` to where this is to be made passes a link."""
    below = path.relative_to(root).parents
    return any(root.joinpath(parent).is_symlink() for parent in below)


def _link_hard(root: Path, path: Path, linkname: str, top: str) -> str:
    parts = linkname.split("/")
    if parts[0] != top or ".." in parts:
        return f"a link to {linkname!r:.100} came"
    existing = root.joinpath(*parts[1:])
    if not existing.is_file():
        return f"a link to {linkname!r:.100} came, and not that"
    path.parent.mkdir(parents=True, exist_ok=True)
    os.link(existing, path)
    return ""


def move(source: Path, target: Path) -> None:
    """Put what came at its place; into a directory that is there already."""
    if source.is_dir() and not source.is_symlink() and target.is_dir():
        if target.is_symlink():
            raise NotADirectoryError(f"{target} is a link, and nothing is written through links")
        for entry in list(source.iterdir()):
            move(entry, target / entry.name)
        shutil.copystat(source, target)
        return
    mode = source.lstat().st_mode
    is_closed = stat.S_ISDIR(mode) and not mode & stat.S_IWUSR
    if is_closed:  # a directory's own ".." is written to when it is moved
        source.chmod(mode | stat.S_IWUSR)
    os.replace(source, target)
    if is_closed:
        target.chmod(mode)
