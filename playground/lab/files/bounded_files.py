"""Files that somebody else wrote, read whole: none is waited for, and none is endless."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from playground.errors import TopologyError


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Return what a regular file holds, at most ``most_bytes``.

    Raises `TopologyError` for a larger one, and for one that cannot be read or is none: a pipe
    that nobody writes to, or a device, is not waited for (open(2), O_NONBLOCK).

    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            content = file.read(most_bytes + 1) if regular else b""
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TopologyError(f"{path} cannot be read: {reason}") from error
    if not regular:
        raise TopologyError(f"{path} cannot be read: it is no regular file")
    if len(content) > most_bytes:
        raise TopologyError(f"{path} has more than {most_bytes:,} bytes: is it another file?")
    return content
