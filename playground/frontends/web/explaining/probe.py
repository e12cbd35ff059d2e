"""The packet that is followed: who may send which, from a page.

`Lab.explain` reads what every kernel says, and sends one packet to see what becomes of it.  Whoever
may only look may have it sent where it changes nothing that anybody keeps: an echo request, or a
connection that is opened and reset at once, from one machine of the lab to another.  A datagram of
UDP is data upon which a program acts, and an address outside the lab is not for them: refused.

"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable
from weakref import WeakKeyDictionary

from playground.errors import BadArgument, PlaygroundError
from playground.frontends.web.view import LabView
from playground.lab.lab import Lab
from playground.operations.diagnosis.evidence.explanation import Explanation
from playground.planning.plan import Plan

# All who may only look at a lab have one packet under way, and begin one so often.
_EVERY_S = 1.0


async def follow(
    view: LabView, source: str, target: str, port: int | None, protocol: str
) -> Explanation:
    """Return what becomes of a packet; raises `PlaygroundError` for what a page may not send."""
    asked = {"port": port, "protocol": None if port is None else protocol}
    explain = view.lab.explain
    if view.may_change:
        return await view.act(explain, source, target, **asked)  # type: ignore[arg-type]
    refuse_for_look_only(
        view.lab.running_plan(), [*_names(view.lab)], target, None if port is None else protocol
    )
    turn = _turns.setdefault(view.lab, Turn())
    turn.take()
    try:
        return await view.ask(explain, source, target, **asked)  # type: ignore[arg-type]
    finally:
        turn.give_back()


def refuse_for_look_only(
    plan: Plan, names: Iterable[str], target: str, protocol: str | None
) -> None:
    """Raise `PlaygroundError` for a packet that somebody who may only look cannot have sent.

    ``names`` are those of the lab's nodes; ``protocol`` is None for an echo request.

    """
    if protocol not in (None, "tcp"):
        raise PlaygroundError(
            "this page is to look at only, and a datagram of UDP is data upon which a program "
            "acts: follow a ping, or tcp, of which nothing but the connection is made"
        )
    if target.lower() not in names and not _is_inside(plan, target):
        raise PlaygroundError(
            f"this page is to look at only: it sends packets to nodes of this lab alone, and "
            f"{target[:60]!r} is none; choose one of the list"
        )


def _names(lab: Lab) -> Iterable[str]:
    for node in lab.nodes:
        yield from (name.lower() for name in node.calls)


def _is_inside(plan: Plan, target: str) -> bool:
    """Tell whether a target is an address that a node of the plan has."""
    try:
        address = ipaddress.ip_address(target)
    except ValueError:
        return False
    return any(
        address == own.ip
        for node in plan.nodes
        for interface in node.interfaces
        for own in interface.addresses
    )


class Turn:
    """One packet at a time, and no more than one a second.

    >>> turn = Turn(clock=lambda: 0.0)
    >>> turn.take()
    >>> turn.take()
    Traceback (most recent call last):
    playground.errors.BadArgument: somebody who looks at this lab follows a packet now: try again...

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._taken = False
        self._free_at = 0.0

    def take(self) -> None:
        """Begin; raises `BadArgument` where it is another's turn."""
        if self._taken or self._clock() < self._free_at:
            raise BadArgument(
                "somebody who looks at this lab follows a packet now: try again in a moment"
            )
        self._taken = True

    def give_back(self) -> None:
        """Let the next one begin."""
        self._taken = False
        self._free_at = self._clock() + _EVERY_S


# Of the one event loop that all pages have; a lab that goes takes its turn along.
_turns: WeakKeyDictionary[Lab, Turn] = WeakKeyDictionary()
