"""Output of a terminal that several look at: kept to a limit, read from where each stands."""

from __future__ import annotations

import re
from collections import deque

# What a newcomer to a terminal sees of before: some thousand lines.
MOST_BYTES = 128 << 10


class Scrollback:
    """The last bytes that a terminal has printed, counted from its first one.

    >>> kept = Scrollback(limit_bytes=4)
    >>> kept.append(b"abcdef")
    >>> kept.since(0, 10)
    (b'cdef', 6, True)

    """

    def __init__(self, limit_bytes: int = MOST_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._parts: deque[bytes] = deque()
        self._kept = 0
        self._end = 0

    @property
    def end(self) -> int:
        """How many bytes have come in all."""
        return self._end

    def append(self, data: bytes) -> None:
        """Add what was printed; the oldest bytes go where there is no room."""
        if not data:
            return
        self._parts.append(data[-self._limit_bytes :])
        self._kept += len(self._parts[-1])
        self._end += len(data)
        while self._kept > self._limit_bytes:
            first = self._parts.popleft()
            too_many = self._kept - self._limit_bytes
            if len(first) > too_many:
                self._parts.appendleft(first[too_many:])
                self._kept -= too_many
            else:
                self._kept -= len(first)

    def since(self, offset: int, most_bytes: int) -> tuple[bytes, int, bool]:
        """Return at most ``most_bytes`` from ``offset`` on, their end, and if some were lost."""
        begin = self._end - self._kept
        lost = offset < begin
        start = max(offset, begin)
        found = bytearray()
        at = begin
        for part in self._parts:
            if at + len(part) > start and len(found) < most_bytes:
                found += part[max(0, start - at) :]
            at += len(part)
        data = bytes(found[:most_bytes])
        return data, start + len(data), lost


# What a terminal answers by itself to a program that asks what it is and where its cursor
# stands (ECMA-48: DA, DSR, CPR; xterm's OSC 10 to 12 and DCS answers).
_REPORT = re.compile(
    r"(?:\x1b\[[?>=]?[\d;]*[cnRy]|\x1b\[\??[\d;]*\$y|\x1b[\]P][^\x1b\x07]*(?:\x07|\x1b\\))+"
)


def is_report(data: str) -> bool:
    r"""Tell whether a terminal says this by itself, and nobody has typed it.

    Where several look at a terminal, one of them answers for all.

    >>> is_report("\x1b[?1;2c"), is_report("ls\r"), is_report("\x1b[A")
    (True, False, False)

    """
    return _REPORT.fullmatch(data) is not None


def common_size(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    """Return the columns and lines that all who look can show.

    >>> common_size([(120, 40), (80, 50)])
    (80, 40)

    """
    columns = min((columns for columns, _ in sizes), default=80)
    lines = min((lines for _, lines in sizes), default=24)
    return min(max(columns, 2), 500), min(max(lines, 2), 300)
