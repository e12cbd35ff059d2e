"""Shapes of a placement: what is placed, what holds it together, where it may go, where it went."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from playground.display.tables import Table, Tabular
from playground.model.records import dataclass


@dataclass(frozen=True)
class Demand:
    """What something takes of a machine, or what a machine has room for.

    ``hosts`` counts hosts and routers, ``memory_mb`` is in units of 2**20 bytes, ``cpus`` in
    processors.

    """

    hosts: int = 0
    memory_mb: float = 0.0
    cpus: float = 0.0

    def __add__(self, other: Demand) -> Demand:
        return Demand(
            self.hosts + other.hosts, self.memory_mb + other.memory_mb, self.cpus + other.cpus
        )

    def __sub__(self, other: Demand) -> Demand:
        return Demand(
            self.hosts - other.hosts, self.memory_mb - other.memory_mb, self.cpus - other.cpus
        )

    def fits(self, room: Demand) -> bool:
        """Whether a room is enough for it.

        >>> Demand(hosts=1, memory_mb=64).fits(Demand(hosts=2, memory_mb=32))
        False

        """
        # A millionth is what adding and taking away fractions leaves.
        return (
            self.hosts <= room.hosts
            and self.memory_mb <= room.memory_mb + 1e-6
            and self.cpus <= room.cpus + 1e-6
        )

    def share(self, whole: Demand) -> float:
        """Return the largest of its shares of a whole: of hosts, of memory, of processors."""
        parts = (
            (self.hosts, whole.hosts),
            (self.memory_mb, whole.memory_mb),
            (self.cpus, whole.cpus),
        )
        return max(own / all_ if all_ else 0.0 for own, all_ in parts)


@dataclass(frozen=True)
class MachineRoom:
    """A machine of a swarm, by the name that Swarm has for it, and its room."""

    name: str
    room: Demand


@dataclass(frozen=True)
class Piece:
    """A host, router or switch that is to be placed; ``machine`` where that is settled already."""

    name: str
    demand: Demand = Demand()
    machine: str | None = None


@dataclass(frozen=True)
class Tie:
    """What ties two pieces together: the larger its ``weight``, the less it should be cut."""

    a: str
    b: str
    weight: float = 1.0


@dataclass(frozen=True)
class PlacedNode:
    """One row of a placement."""

    node: str
    machine: str


@dataclass(frozen=True)
class Placement(Tabular):
    """The machine of each host, router and switch, in the order of the lab.

    ``cut`` are the pairs of nodes whose link leads from one machine to another.  Printed it is
    a table.

    """

    places: tuple[tuple[str, str], ...]
    cut: tuple[tuple[str, str], ...] = ()

    @cached_property
    def machines(self) -> dict[str, str]:
        """The machine of each node, by the node's name."""
        return dict(self.places)

    def __getitem__(self, node: str) -> str:
        return self.machines[node]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.places)

    def table(self) -> Table[PlacedNode]:
        """Return a row for each node."""
        return Table(PlacedNode(*place) for place in self.places)

    def __repr__(self) -> str:
        links = "1 link" if len(self.cut) == 1 else f"{len(self.cut)} links"
        return f"<Placement: {links} between machines>\n{self.table()!r}"
