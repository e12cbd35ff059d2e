"""Checks of what a way carries, and how long it takes."""

from __future__ import annotations

from playground.errors import BadArgument, CheckFailed
from playground.model.arguments import is_number, shown
from playground.operations.connection.handles import Node
from playground.operations.diagnosis.checking.looking import Checking
from playground.operations.nodes import ping


def throughput(
    checks: Checking,
    source: Node | str,
    target: Node | str,
    *,
    at_least_mbit: float | None = None,
    at_most_mbit: float | None = None,
    seconds: float = 2,
) -> float:
    """Check what TCP carries from a node to another; return it in Mbit/s.

    Four connections send for ``seconds``.  A busy machine carries less than its links could: leave
    room, and say ``at_most_mbit`` where a link was told a rate.

    >>> lab.check.throughput(h1, www, at_least_mbit=8, at_most_mbit=11)
    9.4

    """
    _bounds("mbit", at_least_mbit, at_most_mbit)
    a, b = checks._machine(source), checks._machine(target)
    checks.reaches(a, b)  # and explain
    found = checks._lab.rtt_under_load(
        a,  # type: ignore[arg-type]  # a host or a router
        b,  # type: ignore[arg-type]
        seconds=seconds,
        direction="up",
    ).up_mbit
    _compare(f"TCP from {a.name} to {b.name}", found, "Mbit/s", at_least_mbit, at_most_mbit)
    return found


def delay(
    checks: Checking,
    source: Node | str,
    target: Node | str,
    *,
    at_least_ms: float | None = None,
    at_most_ms: float | None = None,
    count: int = 5,
) -> float:
    """Check the round trip from a node to another; return its median in milliseconds.

    ``count`` echo requests are sent, after one that finds the way.

    >>> lab.check.delay(h1, www, at_least_ms=40, at_most_ms=60)
    40.3

    """
    _bounds("ms", at_least_ms, at_most_ms)
    a, b = checks._machine(source), checks._machine(target)
    checks.reaches(a, b)  # and explain
    times = sorted(ping.ping(a, b, count=count, interval_s=0.05).times_ms)
    if not times:
        raise CheckFailed(f"{a.name} sent {count} echo requests to {b.name}, and none came back.")
    found = times[len(times) // 2]
    _compare(f"the round trip from {a.name} to {b.name}", found, "ms", at_least_ms, at_most_ms)
    return found


def _bounds(unit: str, least: object, most: object) -> None:
    for name, value in ((f"at_least_{unit}", least), (f"at_most_{unit}", most)):
        if value is not None and not is_number(value, 0, 1e9):
            raise BadArgument(f"{name}={shown(value)} is no number; write for example {name}=10")
    if least is None and most is None:
        raise BadArgument(f"nothing is checked: say at_least_{unit}= or at_most_{unit}=, or both")
    if is_number(least, 0, 1e9) and is_number(most, 0, 1e9) and least > most:
        raise BadArgument(f"nothing is at least {least:g} and at most {most:g} {unit}")


def _compare(what: str, found: float, unit: str, least: float | None, most: float | None) -> None:
    for wrong, word, bound in (
        (least is not None and found < least, "at least", least),
        (most is not None and found > most, "at most", most),
    ):
        if wrong:
            raise CheckFailed(
                f"{what[:1].upper()}{what[1:]} should be {word} {bound:g} {unit}, and is "
                f"{found:.3g} {unit}."
            )
