"""What a reader of somebody else's file stumbles over, told as all else that is refused is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from playground.errors import PlaygroundError, TopologyError

_FOREIGN = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,  # RecursionError is one
    TypeError,
    ValueError,
)


@contextlib.contextmanager
def told_as_unreadable(what: object) -> Iterator[None]:
    """Raise a `TopologyError` with a file's name for what in this block is none of our errors.

    A file says anything at all, and a path in it may be none (a name of 300 letters); the first
    error is told as the cause.

    """
    try:
        yield
    except PlaygroundError:
        raise
    except _FOREIGN as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise TopologyError(f"{what} cannot be read as a lab: {str(reason)[:500]}") from error
