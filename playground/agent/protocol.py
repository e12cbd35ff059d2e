"""Messages on the agent's line: requests, and errors as data."""

from __future__ import annotations

import contextlib
import errno
import json
from typing import Any

PROTOCOL = 1

Request = dict[str, Any]

# Written as JSON, a character takes 12 bytes at most: so it is below 64 KiB, too.
_MESSAGE_CHARACTERS = 4000
_TRACEBACK_CHARACTERS = 1 << 16


def describe(error: BaseException, with_traceback: bool = True) -> Request:
    """Return an exception as the protocol writes it: at most 4000 characters of what it says.

    A name in it may be a stranger's, of any length.

    """
    text = ""
    if with_traceback:
        import traceback

        text = "".join(traceback.format_exception(error))
    message = str(error)
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        message = error.strerror
    elif isinstance(error, OSError) and error.strerror:
        message = f"{error.strerror}: {error.filename}"
    return {
        "type": type(error).__name__,
        "errno": error.errno if isinstance(error, OSError) else None,
        "message": _cut(message) or type(error).__name__,
        "traceback": text[-_TRACEBACK_CHARACTERS:],
    }


def _cut(message: str) -> str:
    return message if len(message) <= _MESSAGE_CHARACTERS else message[:_MESSAGE_CHARACTERS] + "..."


def described(data: bytes | bytearray) -> Request:
    """Return what `describe` gave, of a process that could not become its program."""
    # It is in its node already, whose root may have had a hand in it.
    with contextlib.suppress(ValueError, RecursionError):
        said = json.loads(data)
        if isinstance(said, dict) and isinstance(said.get("message"), str):
            return said
    broken = OSError(errno.EPROTO, "what it said of its start cannot be read")
    return describe(broken, with_traceback=False)


def os_error(described: Request) -> OSError:
    """Return what the protocol has written as an error of the kernel's."""
    return OSError(described["errno"] or errno.EINVAL, described["message"])
