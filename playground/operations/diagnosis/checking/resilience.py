"""Checks of loops, and of what the failure of a link leaves."""

from __future__ import annotations

import time
from collections import Counter

from playground.errors import BadArgument, CheckFailed
from playground.model.arguments import shown
from playground.operations.connection.handles import Node
from playground.operations.diagnosis.checking.looking import WITHIN_S, Checking, wait
from playground.operations.diagnosis.evidence.explanation import Explanation
from playground.operations.network import Link

# OSPF's hellos and BGP's timers, as a lab sets them, find another way in some seconds.
SURVIVES_WITHIN_S = 30.0


def does_not_loop(
    checks: Checking,
    source: Node | str,
    target: Node | str,
    *,
    version: int | None = None,
    within_s: float = WITHIN_S,
) -> Explanation:
    """Check that a packet passes no node twice, whether it arrives or not; return its explanation.

    ``target`` may be an address that nobody has: routers that send it to each other are found.

    >>> explanation = lab.check.does_not_loop(h1, www)

    """

    def look() -> Explanation:
        return checks._lab.explain(
            source,  # type: ignore[arg-type]
            target,  # type: ignore[arg-type]
            version=version,
        )

    found = wait(look, lambda one: not _turns(one), within_s)
    if turns := _turns(found):
        ways = " - ".join(found.path)
        raise CheckFailed(
            f"A packet from {found.question} should go round in no circle, and comes to {turns} "
            f"more than once ({ways}).\n{found.sentence}\n{found.advice}",
            found,
        )
    return found


def _turns(found: Explanation) -> str:
    """Return a node that the packet comes to more than once, "" for none."""
    if found.cause == "routing loop":
        return found.node
    return next((name for name, count in Counter(found.path).items() if count > 1), "")


def survives(
    checks: Checking,
    link: Link,
    source: Node | str,
    target: Node | str,
    *,
    port: int | None = None,
    version: int | None = None,
    within_s: float = SURVIVES_WITHIN_S,
) -> float:
    """Check that a packet still arrives when a link fails; return how many seconds that took.

    The link is pulled out, and plugged in again whatever happens; then the packet has to
    arrive again, too.  It waits up to 30 seconds each time by default.

    >>> lab.check.survives(uplink, h1, www)
    1.2

    """
    if not isinstance(link, Link) or link not in checks._lab.links:
        raise BadArgument(
            f"{shown(link)} is no link of lab {checks._lab.name}: keep the Link, or find it with "
            "lab.link(a, b)"
        )
    if link.is_down:
        raise BadArgument(f"{link!r} is down already: plug it in first, with link.up()")
    asked = {"port": port, "version": version, "within_s": within_s}
    checks.reaches(source, target, **asked)  # type: ignore[arg-type]
    link.down()
    try:
        began = time.monotonic()
        checks.reaches(source, target, **asked)  # type: ignore[arg-type]
        took_s = time.monotonic() - began
    except CheckFailed as failed:
        raise CheckFailed(f"Without {link!r}: {failed}", failed.explanation) from None
    finally:
        link.up()
    checks.reaches(source, target, **asked)  # type: ignore[arg-type]
    return took_s
