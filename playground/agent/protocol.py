"""Messages on the agent's line: requests, and errors as data."""

from __future__ import annotations

import errno
from typing import Any

PROTOCOL = 1

Request = dict[str, Any]


def describe(error: BaseException, with_traceback: bool = True) -> Request:
    """Return an exception as the protocol writes it."""
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
        "message": message or type(error).__name__,
        "traceback": text,
    }


def os_error(described: Request) -> OSError:
    """Return what the protocol has written as an error of the kernel's."""
    return OSError(described["errno"] or errno.EINVAL, described["message"])
