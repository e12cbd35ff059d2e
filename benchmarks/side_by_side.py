"""A line of a table that has two sides, measured in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class Row:
    """One line of the table: our times and the other side's, in seconds."""

    what: str
    ours: list[float]
    theirs: list[float]
    reach: str
    inverse: bool = False

    def __str__(self) -> str:
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        # Of each turn by itself: a machine that is slow for a minute is so for both.
        ratio = statistics.median(a / b for a, b in zip(self.ours, self.theirs, strict=True))
        ratio = 1 / ratio if self.inverse else ratio
        shown = f"{ratio:.0f}x faster" if self.inverse else f"{ratio:.2f}x"
        return f"| {self.what} | {time_text(ours)} | {time_text(theirs)} | {shown} | {self.reach} |"


def time_text(seconds: float) -> str:
    """Return seconds, or milliseconds where they are few."""
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1000 * seconds:.2f} ms"


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Call a function; return the seconds that it took, and what it returned."""
    begin = time.perf_counter()
    result = function()
    return time.perf_counter() - begin, result
