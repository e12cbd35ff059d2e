"""Bounds of chance, which a true share breaks less than once in ten million times."""

from __future__ import annotations

import math

ALARM = 5e-8


def binomial_bounds(trials: int, probability: float, alarm: float = ALARM) -> tuple[int, int]:
    """Return the fewest and the most successes that are no cause for alarm.

    Each tail beyond them has a probability of less than ``alarm``.

    """
    if probability <= 0:
        return 0, 0
    if probability >= 1:
        return trials, trials
    odds = math.log(probability), math.log1p(-probability)
    whole = math.lgamma(trials + 1)
    chances = [
        math.exp(
            whole
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * odds[0]
            + (trials - k) * odds[1]
        )
        for k in range(trials + 1)
    ]
    return _tail(chances, alarm), trials - _tail(chances[::-1], alarm)


def _tail(chances: list[float], alarm: float) -> int:
    """Return how many of the first together stay below the alarm."""
    total = 0.0
    for count, chance in enumerate(chances):
        total += chance
        if total >= alarm:
            return count
    return len(chances) - 1
