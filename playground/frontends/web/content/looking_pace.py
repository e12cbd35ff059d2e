"""The pace at which a panel looks at a host again: slower where the answer takes its time."""

from __future__ import annotations

# Of the time, so much at most is spent in looking.
_SHARE = 0.1

_LONGEST_S = 30.0


class Pace:
    """When the next look is due.

    >>> pace = Pace(1.0)
    >>> pace.is_due(now_s=0)
    True
    >>> pace.looked(now_s=0, took_s=0.5)
    >>> pace.is_due(now_s=4.9), pace.is_due(now_s=5.5)
    (False, True)

    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._due_s = float("-inf")

    def is_due(self, now_s: float) -> bool:
        """Tell whether it is time."""
        return now_s >= self._due_s

    def looked(self, now_s: float, took_s: float) -> None:
        """Note a look that has ended now."""
        self._due_s = now_s + min(_LONGEST_S, max(self._interval_s, took_s / _SHARE))

    def hurry(self) -> None:
        """Look at once: somebody has changed something."""
        self._due_s = float("-inf")
