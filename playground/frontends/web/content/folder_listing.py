"""The files of a folder on a host, as ``find`` lists them there.  Pure.

A host chooses the names of its files, so that fields end with a NUL, which no name has.

"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from datetime import UTC, datetime

from playground.errors import TransferFailed
from playground.model.records import dataclass

# What a folder is listed with: kind, size, time, permissions, owner, name, and where a link points.
# find(1), "-printf"; GNU's, which Debian has.
_FIELDS = r"%y\0%s\0%T@\0%M\0%u\0%f\0%l\0"
_COUNT = 7

MOST_FILES = 1000

# One file more says that there are more.  A name has at most 255 bytes, a link's target 4096.
MOST_BYTES = (MOST_FILES + 1) * 5000

_KINDS = {"d": "folder", "f": "file", "l": "link", "p": "pipe", "s": "socket"}


@dataclass(frozen=True)
class FileEntry:
    """One file of a folder; ``target`` is where a link points, as it says itself."""

    name: str
    kind: str
    size_bytes: int
    time_s: float
    permissions: str
    owner: str
    target: str = ""

    def path_in(self, folder: str) -> str:
        """Return its path, in the folder that it was listed in."""
        return posixpath.join(folder, self.name)


def command(folder: str) -> list[str]:
    """Return the command that lists a folder; a link that is followed is the folder itself only."""
    # A host's program may print without end: head cuts it off, where it is the first to say so.
    script = 'cd -P -- "$1" && find . -mindepth 1 -maxdepth 1 -printf "$2" | head -c "$3"'
    return ["/bin/sh", "-c", script, "sh", folder, _FIELDS, str(MOST_BYTES)]


def read(printed: bytes) -> tuple[list[FileEntry], bool]:
    """Return the files in what `command` prints, folders first, and whether there are more.

    Raises `TransferFailed` for what find has not printed: a host may have another by that name.

    """
    fields = printed.split(b"\0")
    whole = len(fields) // _COUNT
    found = []
    for number in range(min(whole, MOST_FILES)):
        texts = [
            part.decode("utf-8", "surrogateescape") for part in fields[number * _COUNT :][:_COUNT]
        ]
        found.append(_entry(texts))
    if not whole and printed:
        raise TransferFailed("the folder cannot be listed: the host's find is not GNU's find")
    return sorted(
        found, key=lambda one: (one.kind != "folder", one.name.lower())
    ), whole > MOST_FILES


def _entry(texts: Sequence[str]) -> FileEntry:
    kind, size, time_s, permissions, owner, name, target = texts
    try:
        return FileEntry(
            name=name,
            kind=_KINDS.get(kind, "device" if kind in "bc" else "other"),
            size_bytes=int(size),
            time_s=float(time_s),
            permissions=permissions,
            owner=owner,
            target=target,
        )
    except ValueError:
        raise TransferFailed(
            "the folder cannot be listed: the host's find prints what find does not"
        ) from None


def time_words(time_s: float) -> str:
    """Return when that was, and "?" for what is no time: any user of a host may set a file's.

    >>> time_words(0.0), time_words(3e14), time_words(float("nan"))
    ('1970-01-01 00:00:00 UTC', '?', '?')

    """
    try:
        return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return "?"


def folder_above(folder: str) -> str:
    """Return the folder that one is in.

    >>> folder_above("/var/log"), folder_above("/")
    ('/var', '/')

    """
    return posixpath.dirname(posixpath.normpath(folder)) or "/"


def upload_name(name: str) -> str:
    """Return the name of a file that a browser sends, without any folder.

    Raises `TransferFailed` where none is left.

    >>> upload_name("C:\\\\fakepath\\\\notes.txt"), upload_name("../../etc/passwd")
    ('notes.txt', 'passwd')

    """
    last = name.replace("\\", "/").rpartition("/")[2].strip()
    if last in ("", ".", "..") or "\0" in last or len(last.encode("utf-8", "replace")) > 255:
        raise TransferFailed(
            f"{name!r:.80} is no name of a file: give it another, and send it again"
        )
    return last


def is_text(data: bytes) -> bool:
    r"""Tell whether the beginning of a file is text: UTF-8 without a NUL, as grep(1) decides.

    >>> is_text("größer".encode()[:-1]), is_text(b"\x7fELF\0")
    (True, False)

    """
    if b"\0" in data:
        return False
    # The last character may be cut in two.
    for cut in range(4):
        try:
            data[: len(data) - cut].decode()
        except UnicodeDecodeError:
            continue
        return True
    return not data
