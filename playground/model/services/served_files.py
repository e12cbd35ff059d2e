"""Files that a service serves: a directory of this machine, or texts and bytes by name."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from playground.errors import TopologyError
from playground.model.arguments import check_text, shown

Files = str | os.PathLike[str] | Mapping[str, str | bytes]

# All of it travels to the host in one request when the lab starts.
_MOST_FILES_BYTES = 64 * 1024 * 1024


def checked_files(who: str, files: Files | None) -> Path | dict[str, bytes] | None:
    if files is None:
        return None
    if isinstance(files, (str, os.PathLike)):
        directory = Path(files)
        try:
            missing = not directory.is_dir()
            what = "is not a directory" if directory.exists() else "does not exist"
        except (OSError, ValueError):  # longer than any name, for one
            missing, what = True, "can be no directory"
        if missing:
            raise TopologyError(
                f"{who}(files={shown(str(files))}): {str(directory.absolute())[:200]} {what}; "
                "give a directory, or a mapping of names to texts"
            )
        return directory.absolute()
    if not isinstance(files, Mapping):
        raise TopologyError(
            f"{who}(files=...) takes a directory or a mapping of names to texts, not {files!r}"
        )
    checked: dict[str, bytes] = {}
    for name, content in files.items():
        relative = _checked_file_name(who, name)
        if isinstance(content, str):
            check_text(f"{who}: the content of {name!r}", content, TopologyError)
            checked[relative] = content.encode()
        elif isinstance(content, (bytes, bytearray, memoryview)):
            checked[relative] = bytes(content)
        else:
            raise TopologyError(
                f"{who}: the content of {name!r} must be text or bytes, not {content!r}"
            )
    for name in checked:
        for folder in map(str, Path(name).parents):
            if folder in checked:
                raise TopologyError(
                    f"{who}: {folder!r} cannot be a file and the directory of {name!r} as well; "
                    "give one of them another name"
                )
    _check_size(who, sum(map(len, checked.values())))
    return checked


def _checked_file_name(who: str, name: object) -> str:
    if not isinstance(name, str) or "\0" in name:
        raise TopologyError(f"{who}: {name!r} cannot be the name of a file")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or name.endswith("/"):
        raise TopologyError(
            f"{who}: {name!r} cannot be the name of a file in the server's directory; "
            'write for example "docs/index.html"'
        )
    return "/".join(parts)


def places_of(folder: str, files: object) -> list[str]:
    """Return where files lie on a host that a service serves from a folder there.

    >>> places_of("/srv/ftp", {"a.txt": b""})
    ['/srv/ftp/a.txt']

    """
    if isinstance(files, Path):
        found = (path.relative_to(files) for path in files.rglob("*") if path.is_file())
        return [f"{folder}/{path.as_posix()}" for path in found]
    return [f"{folder}/{name}" for name in files] if isinstance(files, Mapping) else []


def read_files(files: object) -> dict[str, bytes] | None:
    if files is None or isinstance(files, dict):
        return files
    assert isinstance(files, Path)  # made so by checked_files
    found: dict[str, bytes] = {}
    size = 0
    try:
        for name, content in folder_contents(files):
            size += len(content)
            _check_size(str(files), size)
            found[name] = content
    except OSError as exc:
        raise TopologyError(
            f"cannot read the files to serve from {files}: {exc.strerror} ({exc.filename})"
        ) from exc
    if not files.is_dir():
        raise TopologyError(f"the directory to serve, {files}, is gone")
    return found


def folder_contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each file below a folder, by its name there, in order.

    A link to a file counts as that file where it leads to another place below the folder.  A
    host that shares the folder may make links too, and none may show it what else the machine
    has: raises `TopologyError` for one that leads out.  Of a file that is larger than all may
    be, only so much is read.  Raises OSError as open(2) does.

    """
    top = os.path.realpath(folder)
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(where, name)
            real = os.path.realpath(path)
            if not real.startswith(f"{top.rstrip('/')}/"):
                raise TopologyError(
                    f"{path} is a link that leads out of {folder}, to {real}: put the file itself "
                    "there"
                )
            content = _read_below(top, real)
            if content is not None:
                yield path.relative_to(folder).as_posix(), content


def _read_below(top: str, path: str) -> bytes | None:
    """Return what a file below a folder holds, on whose way no link is; None for a pipe or so."""
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    parts = os.path.relpath(path, top).split("/")
    try:
        for number, part in enumerate(parts):
            above = descriptor
            last = os.O_NONBLOCK if number == len(parts) - 1 else os.O_DIRECTORY
            try:
                descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | last, dir_fd=above)
            except OSError as error:
                # A socket, or a link to nowhere.
                if error.errno in (errno.ENXIO, errno.ENOENT):
                    return None
                raise OSError(error.errno, error.strerror, path) from None
            finally:
                if descriptor != above:
                    os.close(above)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_MOST_FILES_BYTES + 1)
    finally:
        os.close(descriptor)


def _check_size(who: str, size_bytes: int) -> None:
    if size_bytes > _MOST_FILES_BYTES:
        raise TopologyError(
            f"{who}: the files to serve come to more than {_MOST_FILES_BYTES >> 20} MiB; "
            "serve fewer, and copy large ones in with host.put() once the lab runs"
        )
