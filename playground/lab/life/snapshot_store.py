"""Where snapshots of labs are kept: a folder for each lab, in the user's own state.

See the XDG Base Directory Specification, XDG_STATE_HOME.  A lab's snapshots go with the lab.

"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from playground.errors import BadArgument, UnknownName
from playground.model.arguments import shown
from playground.operations.life.written_files import create

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LAB = "lab.json"
# Of a lab's folder: whose machine's lab it is.
_MACHINE = ".machine"
_KEPT_S = 7 * 24 * 3600
# Of a lab's description; of a thousand hosts it has some five megabytes.
_MOST_BYTES = 256 << 20


def check_snapshot_name(name: object) -> str:
    """Return a name of a snapshot; raises `BadArgument` for what is no plain word."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadArgument(
            f"{shown(name)} is no name for a snapshot: use a word of letters, digits, dots and "
            'hyphens, such as "before"'
        )
    return name


def names(lab_id: str) -> list[str]:
    """Return the names of a lab's snapshots, the oldest first."""
    with suppress(OSError):
        there = [path for path in _folder(lab_id).iterdir() if (path / _LAB).is_file()]
        return [path.name for path in sorted(there, key=lambda path: path.stat().st_mtime_ns)]
    return []


def find(lab_id: str, name: str) -> tuple[Path, Mapping[str, Any]]:
    """Return the folder of a snapshot and what was written down of the lab.

    Raises `UnknownName` where there is none.

    """
    folder = _folder(lab_id) / check_snapshot_name(name)
    try:
        with (folder / _LAB).open("rb") as file:
            return folder, json.loads(file.read(_MOST_BYTES))
    except FileNotFoundError:
        there = ", ".join(names(lab_id)) or "none"
        raise UnknownName(
            f"there is no snapshot {name!r} of this lab; it has {there}: take one first, with "
            f"lab.snapshot({name!r})"
        ) from None


@contextmanager
def making(lab_id: str, name: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give a folder, and what is to be written down of the lab, for a snapshot to be made.

    It takes the place of an older one of the name when the block ends well; else it is removed.

    """
    own = _folder(lab_id)
    try:
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = own / f".{name}.{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        (own / _MACHINE).write_text(_this_machine())
    except OSError as error:
        raise BadArgument(
            f"snapshots cannot be kept in {own}: {error.strerror}; set XDG_STATE_HOME to a folder "
            "that you may write to"
        ) from error
    try:
        said: dict[str, Any] = {}
        yield folder, said
        with create(folder / _LAB) as file:
            file.write(json.dumps(said).encode())
        older = own / name
        if older.exists():
            older.rename(own / f".{name}.{secrets.token_hex(4)}.old")
        folder.rename(older)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        for old in own.glob(".*.old"):
            shutil.rmtree(old, ignore_errors=True)


def forget(lab_id: str) -> None:
    """Remove all snapshots of a lab that is gone."""
    with suppress(BadArgument):  # what has no folder has none to remove
        shutil.rmtree(_folder(lab_id), ignore_errors=True)


def forget_others(running: Collection[str]) -> None:
    """Remove the snapshots of this machine's labs but those that run, and of the last week.

    An engine that does not answer just now may have one of these.  Machines may share a home, and
    none knows which labs run on another.

    """
    with suppress(BadArgument, OSError):
        for folder in _state().iterdir():
            if folder.name in running or folder.stat().st_mtime >= time.time() - _KEPT_S:
                continue
            if _machine_of(folder) in (None, _this_machine()):
                shutil.rmtree(folder, ignore_errors=True)


def _machine_of(folder: Path) -> str | None:
    with suppress(OSError, ValueError):
        return (folder / _MACHINE).read_text()
    return None


def _this_machine() -> str:
    """Return what this machine is called, and its id where it has one (machine-id(5))."""
    number = ""
    with suppress(OSError, ValueError):
        number = Path("/etc/machine-id").read_text().strip()
    return f"{socket.gethostname()} {number}".strip()


def _folder(lab_id: str) -> Path:
    # A label, which any user of the engine can set.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", lab_id):
        raise BadArgument(f"{shown(lab_id)} is no id of a lab: nothing is kept under it")
    return _state() / lab_id


def _state() -> Path:
    if named := os.environ.get("XDG_STATE_HOME"):
        return Path(named) / "playground" / "snapshots"
    try:
        return Path.home() / ".local" / "state" / "playground" / "snapshots"
    except RuntimeError as error:
        raise BadArgument(
            "this user has no home folder: set XDG_STATE_HOME to a folder that you may write to"
        ) from error
