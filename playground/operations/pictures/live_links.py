"""The links of a running lab with their wires, both as they were at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from playground.operations.connection.handles import LiveWire
from playground.operations.network import Link, Node
from playground.planning.plan_parts import WireEnd

Pair = tuple[WireEnd, WireEnd]


class LiveLink(NamedTuple):
    """A link, and its wire as it was when somebody looked."""

    link: Link
    wire: LiveWire

    @property
    def ends(self) -> Pair:
        """The key of the link in what is seen."""
        return self.wire.wire.a, self.wire.wire.b


def live_links(nodes: Sequence[Node]) -> list[LiveLink]:
    """Return the links of these nodes that are up, each once.

    Each wire is read once: another thread may stop the lab meanwhile, which takes it.

    """
    return [
        LiveLink(link, wire)
        for link in dict.fromkeys(link for node in nodes for link in node.links)
        if (wire := link._live) is not None
    ]
