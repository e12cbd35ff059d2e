"""Settings of a routing protocol that all routers of a network have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

from playground.model.routing.isis import IsisLink
from playground.model.routing.ospf import OspfLink
from playground.planning.addresses.tolerated_faults import Doubts
from playground.planning.routing.ports import SpeakingPort

Said = TypeVar("Said", OspfLink, IsisLink)


def agreed(
    known: Said, said: Said, words: Sequence[str], port: SpeakingPort, doubts: Doubts
) -> Said:
    """Return what a network's routers have said of ``words``, with what ``port`` says.

    One that says nothing has what the others say; two that differ are no neighbours, which is a
    doubt.

    """
    for word in words:
        mine, theirs = getattr(said, word), getattr(known, word)
        if mine is None or mine == theirs:
            continue
        if theirs is None:
            known = dataclasses.replace(known, **{word: mine})
            continue
        protocol = "OSPF" if isinstance(said, OspfLink) else "IS-IS"
        values = "passwords" if word == "password" else f"{word}={mine!r} and {theirs!r}"
        doubts.say(
            f"router {port.router.name} and another router on {port.segment.name} differ in their "
            f"{protocol} settings ({values}), and will not become neighbours; say the same of "
            f"both, or say it of one"
        )
    return known


def completed(own: Said, shared: Said, words: Sequence[str]) -> Said:
    """Return what a router has said of a link, and for ``words`` else what others have.

    >>> completed(IsisLink(metric=7), IsisLink(password="secret"), ["password"]).password
    'secret'

    """
    missing = {word: getattr(shared, word) for word in words if getattr(own, word) is None}
    return dataclasses.replace(own, **missing)
