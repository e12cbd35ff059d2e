"""Files of the user's that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path


def write_whole(path: Path, text: str, *, mode: int | None = None, new_mode: int = 0o666) -> None:
    """Write a file of text: whoever reads it meanwhile has the old one or the new one.

    A file that is there keeps its mode and owner, unless ``mode`` says another; a new one has
    ``new_mode`` without what umask(2) takes away.  Where a link is, the file that it leads to is
    written, and the link stays.  Raises `OSError`, and leaves all as it was.

    """
    place = Path(os.path.realpath(path))
    old = _regular(place)
    # Nobody can know the name, and with O_EXCL no link is followed that lies there: open(2).
    beside = place.with_name(f".playground-{secrets.token_hex(8)}")
    created_mode = new_mode if mode is None and old is None else 0o600
    number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, created_mode)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            if old is not None:
                # Root gives it back to whom it belongs; another user cannot.
                with contextlib.suppress(PermissionError):
                    os.fchown(number, old.st_uid, old.st_gid)
            last_mode = stat.S_IMODE(old.st_mode) if mode is None and old else mode
            if last_mode is not None:
                os.fchmod(number, last_mode)
        os.replace(beside, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def _regular(place: Path) -> os.stat_result | None:
    try:
        found = os.stat(place)
    except FileNotFoundError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None
