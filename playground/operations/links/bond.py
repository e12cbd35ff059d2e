"""What can be asked of a bond while its lab runs."""

from __future__ import annotations

from typing import Any

from playground.display.tables import Table
from playground.errors import NotRunning
from playground.model.links.bond import Bond
from playground.model.records import dataclass


@dataclass(frozen=True)
class BondMember:
    """One link of a bond, as the node at one end sees it.

    ``up`` is whether it has a carrier, ``active`` whether frames are sent and taken by it: of
    "active-backup" that is one, of "802.3ad" all that both sides have agreed on.  ``partner`` is
    the MAC address that the other side calls itself by in LACP, None in other modes.
    ``failures`` counts how often it has lost its carrier.

    """

    node: str
    bond: str
    interface: str
    up: bool
    active: bool
    partner: str | None
    failures: int


class BondOperations(Bond):
    """The operations on a bond."""

    _live: Any

    def state(self) -> Table[BondMember]:
        """Return a row for each of its links at each node that has an interface for it.

        From the kernel; raises `NotRunning` if its lab does not run.
        Source: Documentation/networking/bonding, /proc/net/bonding.

        >>> bond.state()
        node  bond   interface  up   active  partner            failures
        r1    bond0  eth0       yes  yes     02:0f:5a:8f:3b:1e  0
        r1    bond0  eth1       yes  yes     02:0f:5a:8f:3b:1e  0
        r2    bond0  eth0       yes  yes     02:64:50:06:7b:40  0
        r2    bond0  eth1       yes  yes     02:64:50:06:7b:40  0

        """
        live = self._live
        if live is None:
            raise NotRunning(f"{self!r} is in no running lab: start its lab first")
        ends = [
            (end, place)
            for end, place, said in zip(
                (live.wire.a, live.wire.b), live.ends, self.ends, strict=True
            )
            if self.bonds_at(said.node)
        ]
        answers = live.agent.call("bonds", ends=[place for _, place in ends])
        return Table(
            BondMember(end.node, end.interface, **row)
            for (end, _), rows in zip(ends, answers, strict=True)
            for row in rows
        )
