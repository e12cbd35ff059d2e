"""Carriers of links that cross machines: which far end is to be up.  Pure.

On each of its two machines a link has a far end, whose carrier says whether the node's end
there is up.  A far end is set down, by which the node there loses its carrier, where the other
machine's has none.  Where neither has, both are up: else neither would see the other come back.

"""

from __future__ import annotations

from dataclasses import dataclass, field

from playground.agent.protocol import Request


@dataclass
class CrossedLink:
    """The two far ends of one link, by machine: what was last heard of each."""

    machines: tuple[int, int]
    is_up: dict[int, bool] = field(default_factory=dict)
    has_carrier: dict[int, bool] = field(default_factory=dict)

    def hear(self, machine: int, row: Request) -> None:
        """Take note of a far end; of one that is down nothing can be seen but that."""
        self.is_up[machine] = row["up"]
        if row["up"]:
            self.has_carrier[machine] = row["carrier"]

    def wanted(self) -> dict[int, bool]:
        """Return the machines whose far end is to change, and whether it is to be up."""
        changes = {}
        for machine, other in (self.machines, self.machines[::-1]):
            up = self.has_carrier.get(other, True) or not self.has_carrier.get(machine, False)
            if self.is_up.get(machine, True) != up:
                changes[machine] = up
        return changes


class CrossedLinks:
    """All links of a lab that cross machines, by the name of their far ends."""

    def __init__(self) -> None:
        self.links: dict[str, CrossedLink] = {}

    def machines(self) -> set[int]:
        return {machine for link in self.links.values() for machine in link.machines}

    def hear(self, machine: int, row: Request) -> None:
        link = self.links.get(row["interface"])
        if link is not None and machine in link.machines:
            link.hear(machine, row)

    def changes(self) -> dict[int, Request]:
        """Return what each machine is asked to set up and down; note it as done."""
        asked: dict[int, Request] = {}
        for name, link in self.links.items():
            for machine, up in link.wanted().items():
                part = asked.setdefault(machine, {"up": [], "down": []})
                part["up" if up else "down"].append(name)
                link.is_up[machine] = up
        return asked
