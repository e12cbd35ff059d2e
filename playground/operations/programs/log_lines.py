"""The end of a log, by its number of lines: the argument ``lines`` of all that has a log."""

from __future__ import annotations

from playground.errors import BadArgument
from playground.model.arguments import is_whole, shown


def check_lines(lines: object) -> None:
    """Raise `BadArgument` for what is no number of lines, and is not None, which is all."""
    if lines is not None and not is_whole(lines, 0, 10**9):
        raise BadArgument(f"lines={shown(lines)} is no whole number, 0 or more; write lines=20")


def last_lines(text: str, lines: int | None) -> str:
    """Return the last lines of a text; None: all of it.

    >>> last_lines("one\\ntwo\\nthree\\n", 2)
    'two\\nthree\\n'
    >>> last_lines("one\\n", 0)
    ''

    """
    if lines is None:
        return text
    return "".join(text.splitlines(keepends=True)[-lines:] if lines else [])
