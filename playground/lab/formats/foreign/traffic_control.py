"""Queueing disciplines that a script adds, understood: what `Link.impair` says of a link.

A kernel without netem refuses them, and a lab does what they say all the same: tc-netem(8),
tc-tbf(8).

"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
_TIME = re.compile(rf"{_NUMBER}(us|usec|usecs|ms|msec|msecs|s|sec|secs)?")
_PERCENT = re.compile(rf"{_NUMBER}%?")
_RATE = re.compile(rf"{_NUMBER}(bit|kbit|mbit|gbit|bps|kbps|mbps|gbps)", re.IGNORECASE)
_BITS = {"bit": 1e-6, "kbit": 1e-3, "mbit": 1.0, "gbit": 1e3}
_BITS |= {f"{unit[:-3]}bps": 8 * size for unit, size in _BITS.items()}


def understand_qdisc(words: Sequence[str]) -> tuple[str, dict[str, Any]] | None:
    """Return the interface of `tc qdisc add ...` and the arguments of `Link.impair`.

    None for what says more, or something else.

    >>> understand_qdisc("qdisc add dev eth0 root netem delay 100ms loss 50%".split())
    ('eth0', {'delay_ms': 100, 'loss_percent': 50})

    """
    rest = list(words)
    if len(rest) < 6 or rest[0] not in ("qdisc", "q") or rest[1] not in ("add", "replace"):
        return None
    if rest[2] != "dev" or rest[4] != "root":
        return None
    interface, rest = rest[3], rest[5:]
    if rest[:1] == ["handle"]:
        rest = rest[2:]
    kinds: Mapping[str, Callable[[list[str]], dict[str, Any] | None]]
    kinds = {"netem": _netem, "tbf": _tbf}
    if not rest or rest[0] not in kinds:
        return None
    said = kinds[rest[0]](rest[1:])
    return (interface, said) if said else None


def _netem(rest: list[str]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    while rest:
        word = rest.pop(0)
        if word == "delay":
            said = _values(rest, _TIME, 2)
            if not said:
                return None
            for name, text in zip(("delay_ms", "jitter_ms"), said, strict=False):
                found[name] = _milliseconds(text)
            _values(rest, _PERCENT, 1)  # how much a packet's delay is like the one's before
        elif word == "distribution" and rest[:1] in (["normal"], ["uniform"]):
            found["distribution"] = rest.pop(0)
        elif word == "limit" and rest and rest[0].isdecimal() and len(rest[0]) < 10:
            found["queue_packets"] = int(rest.pop(0))
        elif word == "rate" and (rate := _rate(rest)) is not None:
            found["rate_mbit"] = rate
        elif word in _PERCENTS:
            if rest[:1] == ["random"]:
                rest.pop(0)
            names = _PERCENTS[word]
            said = _values(rest, _PERCENT, len(names))
            if not said:
                return None
            for name, text in zip(names, said, strict=False):
                found[name] = _whole(float(text.rstrip("%")))
        else:
            return None
    return found


_PERCENTS = {
    "loss": ("loss_percent", "loss_correlation"),
    "drop": ("loss_percent", "loss_correlation"),
    "duplicate": ("duplicate_percent",),
    "corrupt": ("corrupt_percent",),
    "reorder": ("reorder_percent",),
}


def _tbf(rest: list[str]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    while rest:
        word = rest.pop(0)
        if word == "rate" and (rate := _rate(rest)) is not None:
            found["rate_mbit"] = rate
        elif word in ("burst", "buffer", "maxburst", "latency", "limit", "mtu") and rest:
            rest.pop(0)  # how much it may keep, which is the lab's own to choose
        else:
            return None
    return found


def _values(rest: list[str], shape: re.Pattern[str], most: int) -> list[str]:
    """Take up to so many values of a shape off the front."""
    found: list[str] = []
    while rest and len(found) < most and shape.fullmatch(rest[0]):
        found.append(rest.pop(0))
    return found


def _milliseconds(text: str) -> float:
    match = _TIME.fullmatch(text)
    assert match is not None
    # Without a unit tc-netem(8) counts microseconds.
    unit = (match[2] or "us")[:2]
    return _whole(float(match[1]) * {"us": 0.001, "ms": 1.0}.get(unit, 1000.0))


def _rate(rest: list[str]) -> float | None:
    match = _RATE.fullmatch(rest[0]) if rest else None
    if match is None:
        return None
    rest.pop(0)
    return _whole(float(match[1]) * _BITS[match[2].lower()])


def _whole(number: float) -> float:
    """Return a number as people write it: 100 and not 100.0."""
    return int(number) if number == int(number) else round(number, 9)
