"""Files of the user's own machine: written, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from playground.errors import TransferFailed


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
