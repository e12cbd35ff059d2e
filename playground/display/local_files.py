"""Files of the user's own machine: read or written, or refused in a sentence."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from playground.errors import TransferFailed


def read_text(path: Path, most_bytes: int) -> str:
    """Return what a text file holds, at most ``most_bytes`` of UTF-8.

    Raises `TransferFailed` where there is no such file, or one that is no text; a pipe
    or a device is not waited for.

    """
    try:
        # open(2): O_NONBLOCK, or a pipe that nobody writes to is waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            content = file.read(most_bytes + 1) if regular else b""
    except FileNotFoundError as error:
        raise TransferFailed(
            f"there is no file {path} (the current folder is {Path.cwd()})"
        ) from error
    except ValueError as error:  # a null byte, or half a character
        raise TransferFailed(f"{str(path)!r} is no path of a file") from error
    except OSError as error:
        raise TransferFailed(f"{path} cannot be read: {error.strerror}") from error
    if not regular:
        raise TransferFailed(f"{path} is no file that holds text")
    if len(content) > most_bytes:
        raise TransferFailed(f"{path} has more than {most_bytes} bytes, too many for a text")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise TransferFailed(f"{path} is no text: its byte {error.start} is not UTF-8") from error


def write_file(path: Path, parts: Iterable[bytes]) -> Path:
    """Write a file that is there whole or not at all afterwards; return its path.

    Raises `TransferFailed` where it cannot be written; then what stood there before
    may be gone, and nothing half written is left.

    >>> write_file(Path("net.svg"), [b"<svg/>"])
    PosixPath('net.svg')

    """
    try:
        with path.open("wb") as file:
            try:
                file.writelines(parts)
            except OSError:
                path.unlink(missing_ok=True)
                raise
    except FileNotFoundError as error:
        raise TransferFailed(
            f"{path} cannot be written: there is no folder {path.parent}; make it first"
        ) from error
    except OSError as error:
        raise TransferFailed(f"{path} cannot be written: {error.strerror}") from error
    return path
