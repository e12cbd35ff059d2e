"""Clocks of machines: by how much they differ from the one that this runs on.

Each is asked a few times, and the shortest of these ways there and back counts: the answer was
made somewhere between, as NTP reckons it (RFC 5905 section 8).

"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable

from playground.agent.machines.tasks import Answers, Asked, raise_first

_ROUNDS = 4


def clocks_ahead(machines: Iterable[int]) -> Generator[Asked, Answers, dict[int, int]]:
    """Ask machines for their time; return by how many nanoseconds each is ahead of ours."""
    found = {}
    for machine in machines:
        asked = []
        for _ in range(_ROUNDS):
            began_ns = time.time_ns()
            answers = yield {machine: ("clock", {})}
            raise_first(answers)
            asked.append((began_ns, answers[machine], time.time_ns()))
        found[machine] = ahead_ns(asked)
    return found


def ahead_ns(asked: Iterable[tuple[int, int, int]]) -> int:
    """Return by how much a clock is ahead: rows of when it was asked, its answer, when that came.

    0 where it may well be right, for all that can be told.

    >>> ahead_ns([(1000, 1060, 1100), (2000, 2900, 4000)])
    0
    >>> ahead_ns([(1000, 5050, 1100)])
    4000

    """
    began, answered, ended = min(asked, key=lambda row: row[2] - row[0])
    if began <= answered <= ended:
        return 0
    return answered - (began + ended) // 2
