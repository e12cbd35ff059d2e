"""Placing: every node gets a machine, so that few links lead from one to another.

METIS cuts the graph (`placement.partition`).  What it does not know is seen to here: pieces that
are settled already stand where they do, no machine gets more than it has room for, and then
single pieces move as long as that leaves fewer links between machines.

"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from playground.errors import TopologyError
from playground.planning.placement.machines import Spread, machines_for
from playground.planning.placement.partition import partition
from playground.planning.placement.shapes import Demand, MachineRoom, Piece, Placement, Tie

# Moves of single pieces come to an end by themselves, for each leaves a smaller cut; after
# this many rounds what is still to be had is not worth the time.
_MOST_ROUNDS = 10

# How much more than its even share a machine may get where a lab is spread evenly.
_UNEVEN = 1.05


def place(
    pieces: Sequence[Piece],
    ties: Iterable[Tie],
    machines: Sequence[MachineRoom],
    spread: Spread = None,
) -> Placement:
    """Return the machine of each piece.

    Without ``spread`` as few machines as possible are used, in the shares of their room.  The
    same arguments give the same placement.  Raises `TopologyError` for a machine that there is
    not, and for a lab that does not fit.

    >>> rooms = [MachineRoom("m1", Demand(10)), MachineRoom("m2", Demand(10))]
    >>> pieces = [Piece(name, Demand(1)) for name in ("h1", "h2", "h3", "h4")]
    >>> place(pieces, [Tie("h1", "h3"), Tie("h2", "h4")], rooms, spread=2).cut
    ()

    """
    ties = list(ties)
    chosen = machines_for(pieces, machines, spread)
    board = _Board(pieces, ties, chosen, even=spread is not None)
    board.start()
    board.make_room()
    board.improve()
    places = {piece.name: chosen[at].name for piece, at in zip(pieces, board.at, strict=True)}
    cut = tuple((c.a, c.b) for c in ties if places[c.a] != places[c.b])
    return Placement(tuple(places.items()), cut)


class _Board:
    """Pieces on machines, both as numbers, and how much room each machine still has."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        ties: Sequence[Tie],
        machines: Sequence[MachineRoom],
        *,
        even: bool,
    ) -> None:
        self._pieces = pieces
        self._machines = machines
        numbers = {piece.name: number for number, piece in enumerate(pieces)}
        self._neighbours: list[dict[int, float]] = [{} for _ in pieces]
        for tie in ties:
            a, b = numbers[tie.a], numbers[tie.b]
            if a != b:
                for one, other in ((a, b), (b, a)):
                    row = self._neighbours[one]
                    row[other] = row.get(other, 0.0) + tie.weight
        places = {machine.name: number for number, machine in enumerate(machines)}
        self._fixed = [places[piece.machine] if piece.machine else None for piece in pieces]
        self._total = Demand()
        for piece in pieces:
            self._total = self._total + piece.demand
        self._room = [machine.room for machine in machines]
        if even:
            self._room = self._even_rooms()
        self._free = list(self._room)
        self.at: list[int] = []

    def _even_rooms(self) -> list[Demand]:
        """Return the room that machines have where all that can get about as many hosts.

        Memory and processors are what they are: hosts are what is seen to be spread.  What is
        settled stays, however uneven that is.

        """
        level, left = 0.0, float(self._total.hosts)
        counts = sorted(room.hosts for room in self._room)
        for number, count in enumerate(counts):
            level = left / (len(counts) - number)
            if level <= count:
                break
            left -= count
        settled: Counter[int] = Counter()
        for piece, fixed in zip(self._pieces, self._fixed, strict=True):
            if fixed is not None:
                settled[fixed] += piece.demand.hosts
        # A piece of several hosts is not taken apart.
        largest = max((piece.demand.hosts for piece in self._pieces), default=0)
        most = max(math.ceil(level), int(level * _UNEVEN), largest)
        return [
            Demand(min(room.hosts, max(most, settled[number])), room.memory_mb, room.cpus)
            for number, room in enumerate(self._room)
        ]

    def start(self) -> None:
        """Give each piece the machine that METIS means for it, or that it is settled on."""
        weights = [piece.demand.share(self._total) for piece in self._pieces]
        shares = [max(room.share(self._sum_of_rooms()), 1e-6) for room in self._room]
        parts = partition(self._neighbours, weights, shares)
        named = self._name_parts(parts)
        self.at = [
            named[part] if fixed is None else fixed
            for part, fixed in zip(parts, self._fixed, strict=True)
        ]
        for piece, at in zip(self._pieces, self.at, strict=True):
            self._free[at] = self._free[at] - piece.demand

    def _sum_of_rooms(self) -> Demand:
        total = Demand()
        for room in self._room:
            total = total + room
        return total

    def _name_parts(self, parts: Sequence[int]) -> list[int]:
        """Return which machine each part is: that on which most of its settled pieces stand."""
        common = Counter(
            (part, fixed)
            for part, fixed in zip(parts, self._fixed, strict=True)
            if fixed is not None
        )
        named: dict[int, int] = {}
        for (part, machine), _ in common.most_common():
            if part not in named and machine not in named.values():
                named[part] = machine
        # The others keep their own, whose size they have, where that is free.
        left = [number for number in range(len(self._machines)) if number not in named.values()]
        for part in range(len(self._machines)):
            if part not in named:
                named[part] = part if part in left else left[0]
                left.remove(named[part])
        return [named[part] for part in range(len(self._machines))]

    def make_room(self) -> None:
        """Move pieces away from machines that have too many, those first that tie least."""
        for machine in range(len(self._machines)):
            while not self._is_within(machine):
                moves = [
                    (self._pull(piece, other) - self._pull(piece, machine), piece, other)
                    for piece in self._movable(machine)
                    for other in range(len(self._machines))
                    if other != machine and self._pieces[piece].demand.fits(self._free[other])
                ]
                if not moves:
                    raise TopologyError(self._stuck(machine))
                # A few at a time, the best first: to look at all anew for each would take long.
                moves.sort(key=lambda move: (-move[0], move[1]))
                for _, piece, other in moves[: max(1, len(moves) // 50)]:
                    if self._is_within(machine):
                        break
                    if self.at[piece] == machine and self._may_move(piece, other):
                        self._move(piece, other)

    def _is_within(self, machine: int) -> bool:
        return Demand().fits(self._free[machine])

    def _movable(self, machine: int) -> list[int]:
        return [
            piece
            for piece, at in enumerate(self.at)
            if at == machine
            and self._fixed[piece] is None
            and self._pieces[piece].demand != Demand()
        ]

    def _stuck(self, machine: int) -> str:
        name = self._machines[machine].name
        settled = [
            piece.name
            for piece, fixed in zip(self._pieces, self._fixed, strict=True)
            if fixed == machine
        ]
        if settled:
            return (
                f"the machine {name} has no room for all that was settled to run there "
                f"({', '.join(settled[:5])}{', ...' if len(settled) > 5 else ''}): name another "
                "with machine=, or leave it out"
            )
        return (
            "the lab does not fit on the machines: together they have room, and no single one has "
            "for its largest hosts; give them lower limits, or let a larger machine join"
        )

    def improve(self) -> None:
        """Move single pieces to machines that they have more to do with, while there is room."""
        todo = list(range(len(self._pieces)))
        for _ in range(_MOST_ROUNDS):
            moved: list[int] = []
            for piece in todo:
                if self._fixed[piece] is None and (to := self._better(piece)) is not None:
                    self._move(piece, to)
                    moved.append(piece)
            if not moved:
                return
            # Only what is beside a piece that has moved may have something better now.
            todo = sorted({*moved, *(other for one in moved for other in self._neighbours[one])})

    def _better(self, piece: int) -> int | None:
        pulls: dict[int, float] = {}
        for other, weight in self._neighbours[piece].items():
            pulls[self.at[other]] = pulls.get(self.at[other], 0.0) + weight
        here = pulls.get(self.at[piece], 0.0)
        better = [(-pull, machine) for machine, pull in pulls.items() if pull > here + 1e-9]
        return next((to for _, to in sorted(better) if self._may_move(piece, to)), None)

    def _may_move(self, piece: int, machine: int) -> bool:
        return self._pieces[piece].demand.fits(self._free[machine])

    def _pull(self, piece: int, machine: int) -> float:
        return sum(
            weight for other, weight in self._neighbours[piece].items() if self.at[other] == machine
        )

    def _move(self, piece: int, machine: int) -> None:
        demand = self._pieces[piece].demand
        self._free[self.at[piece]] = self._free[self.at[piece]] + demand
        self._free[machine] = self._free[machine] - demand
        self.at[piece] = machine
