"""How much of what a server has for all labs one lab may take: the others go on beside it."""

from __future__ import annotations

import threading
from collections import Counter

from playground.errors import PlaygroundError


class LabShares:
    """So many places for the pages of all labs, of which one lab takes at most half.

    ``things`` is what one calls them, in the sentence of a refusal.  Safe to be used by several
    threads.

    >>> shares = LabShares("files are fetched", 4)
    >>> for _ in range(2): shares.take("a")
    >>> shares.taken, shares.of("a")
    (2, 2)

    """

    def __init__(self, things: str, most: int) -> None:
        self.things = things
        self.most = most
        self.most_of_a_lab = max(1, most // 2)
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """How many are taken by all labs together."""
        return self._taken.total()

    def of(self, lab: str) -> int:
        """Return how many a lab has taken."""
        return self._taken[lab]

    def take(self, lab: str) -> None:
        """Take one; raises `PlaygroundError` where the lab, or all together, have too many."""
        with self._lock:
            mine, all_together = self._taken[lab], self._taken.total()
            if mine >= self.most_of_a_lab or all_together >= self.most:
                raise PlaygroundError(
                    f"{mine} {self.things} of this lab already ({all_together} in all), and no "
                    "more may be: try again when one is done"
                )
            self._taken[lab] += 1

    def give_back(self, lab: str) -> None:
        """Give one back that was taken."""
        with self._lock:
            self._taken[lab] -= 1
            self._taken = +self._taken
