"""Submissions of a class: found in a folder, and packed as they are, without a look inside.

What students hand in is opened by nobody here: a folder becomes an archive of tar(5), links in
it stay links, and a zip file stays a zip file.  It is unpacked where it can do no harm.

"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

from playground.errors import BadArgument, PlaygroundError
from playground.model.records import dataclass

# What a submission may have in all, packed or as a folder: networks are text.
MOST_BYTES = 64 * 2**20
MOST_FILES = 5_000
MOST_DEPTH = 32

# What stands beside submissions and is none.
_NO_SUBMISSION = ("__pycache__", "__MACOSX", "Thumbs.db", "desktop.ini")
# Folders in a submission that say nothing of the network and may be large.
LEFT_OUT = ("__pycache__", ".venv", "venv", "node_modules", ".ipynb_checkpoints", ".mypy_cache")

# Kinds: how the reader has to open what is packed.
FOLDER, ZIP, GIT, FILE = "folder", "zip", "git", "file"


@dataclass(frozen=True)
class Submission:
    """What one student handed in: where it lies, and its kind."""

    student: str
    path: Path
    kind: str


def find_submissions(folder: Path) -> list[Submission]:
    """Return the submissions in a folder, by student.

    Each is a folder, a bare git repository (``anna.git``), a ``.zip``, or one file that declares
    a network (``anna.py``, ``anna.yaml``); its name without the ending is the student's.
    Raises `BadArgument` where there is none, and where two have one name.

    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise BadArgument(f"{folder} cannot be read: {error.strerror}") from error
    found: dict[str, Submission] = {}
    for name in names:
        if name.startswith(".") or name in _NO_SUBMISSION:
            continue
        path = folder / name
        submission = _submission(path)
        if submission is None:
            continue
        other = found.setdefault(submission.student, submission)
        if other is not submission:
            raise BadArgument(
                f"{other.path.name} and {name} are both of {submission.student}: remove one of them"
            )
    if not found:
        raise BadArgument(
            f"there are no submissions in {folder}: it should have a folder, a .zip or a file "
            "(.py, .yaml) for each student, named after the student"
        )
    return list(found.values())


def _submission(path: Path) -> Submission | None:
    name = path.name
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        if (path / "HEAD").is_file() and (path / "objects").is_dir():
            return Submission(name.removesuffix(".git"), path, GIT)
        return Submission(name, path, FOLDER)
    ending = path.suffix.lower()
    if ending == ".zip":
        return Submission(path.stem, path, ZIP)
    if ending in (".py", ".yaml", ".yml"):
        return Submission(path.stem, path, FILE)
    return None


def pack(submission: Submission) -> bytes:
    """Return a submission as an archive of tar(5), the same for the same content.

    Raises `PlaygroundError` with a sentence for the student where it is too large, or cannot be
    read.

    """
    if submission.path.is_symlink():
        raise PlaygroundError("this is a link to somewhere else, not a submission")
    buffer = io.BytesIO()
    size = 0
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for count, (name, path) in enumerate(_entries(submission)):
            if count >= MOST_FILES:
                raise PlaygroundError(f"this has more than {MOST_FILES:,} files")
            size += _add(archive, name, path, MOST_BYTES - size)
    return buffer.getvalue()


def digest(packed: bytes) -> str:
    """Return a hash of a packed submission (SHA-256)."""
    return hashlib.sha256(packed).hexdigest()


def _entries(submission: Submission) -> Iterator[tuple[str, Path]]:
    """Yield all that a submission has, with the name in its archive, in an order of their own."""
    path = submission.path
    if submission.kind in (FILE, ZIP):
        yield path.name, path
    else:
        yield from _below(path, "", 0)


def _below(folder: Path, above: str, depth: int) -> Iterator[tuple[str, Path]]:
    if depth > MOST_DEPTH:
        raise PlaygroundError(f"this has folders in folders, more than {MOST_DEPTH} deep")
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise PlaygroundError(f"{above or 'this'} cannot be read: {error.strerror}") from error
    for name in names:
        if name in LEFT_OUT:
            continue
        path, inside = folder / name, f"{above}{name}"
        yield inside, path
        if stat.S_ISDIR(path.lstat().st_mode):
            yield from _below(path, f"{inside}/", depth + 1)


def _add(archive: tarfile.TarFile, name: str, path: Path, room: int) -> int:
    """Add one entry, and return its bytes; what is no file, folder or link is left out."""
    entry = tarfile.TarInfo(name)
    status = path.lstat()
    # Neither owner nor time: the same content is the same archive.
    entry.mode = 0o755 if status.st_mode & 0o100 else 0o644
    if stat.S_ISDIR(status.st_mode):
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(entry)
        return 0
    if stat.S_ISLNK(status.st_mode):
        entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)
        archive.addfile(entry)
        return 0
    if not stat.S_ISREG(status.st_mode):
        return 0
    content = _content(path, name, room)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
    return len(content)


def _content(path: Path, name: str, room: int) -> bytes:
    try:
        # Whatever stands there by now: no link is followed and no pipe waited for (open(2)).
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(number, "rb") as file:
            content = file.read(room + 1)
    except OSError as error:
        raise PlaygroundError(f"{name} cannot be read: {error.strerror}") from error
    if len(content) > room:
        raise PlaygroundError(f"this has more than {MOST_BYTES >> 20} MB")
    return content
