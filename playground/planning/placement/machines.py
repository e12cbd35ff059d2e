"""The machines that a lab is spread over: what was said by hand, and how many it takes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence

from playground.errors import TopologyError
from playground.model.arguments import is_whole, shown
from playground.planning.placement.shapes import Demand, MachineRoom, Piece

# None: as few machines as hold the lab.  A number: evenly over so many.  Names: evenly over those.
Spread = int | tuple[str, ...] | None

_MOST_MACHINES = 10_000

VARIABLE = "PLAYGROUND_SPREAD"


def check_spread(here: str, spread: object) -> Spread:
    """Return what was said of the machines that a lab is spread over, if it can be.

    Raises `TopologyError` for what is neither a number of machines, nor names, nor None.

    >>> check_spread("lab", ["m1", "m2"])
    ('m1', 'm2')

    """
    if spread is None or is_whole(spread, 1, _MOST_MACHINES):
        return spread
    names = spread if isinstance(spread, (list, tuple)) else ()
    if not names or not all(isinstance(name, str) and name for name in names):
        raise TopologyError(
            f"{here}: spread={shown(spread)} names no machines: write a number of them, as in "
            'spread=3, or their names, as in spread=["m1", "m2"]'
        )
    return tuple(dict.fromkeys(names))


def spread_of_environment() -> Spread:
    """Return what ``PLAYGROUND_SPREAD`` says, "3" or "m1,m2", of labs that say nothing."""
    said = os.environ.get(VARIABLE)
    if not said:
        return None
    return check_spread(VARIABLE, int(said) if said.isdecimal() else said.split(","))


def spread_without(spread: Spread, lost: Collection[str]) -> Spread:
    """Return what is left of a spread when machines are lost; at least one.

    >>> spread_without(("m1", "m2", "m3"), {"m2"}), spread_without(3, {"m2"})
    (('m1', 'm3'), 2)

    """
    if isinstance(spread, tuple):
        return tuple(name for name in spread if name not in lost) or spread
    return spread if spread is None else max(1, spread - len(lost))


def machines_for(
    pieces: Sequence[Piece], machines: Sequence[MachineRoom], spread: Spread
) -> list[MachineRoom]:
    """Return the machines that pieces go to, those of pieces that are settled among them.

    Raises `TopologyError` for a machine that the swarm lacks, or too few of them, and where
    there is no room for all.

    """
    by_name = {machine.name: machine for machine in machines}
    settled = dict.fromkeys(piece.machine for piece in pieces if piece.machine)
    for piece in pieces:
        if piece.machine and piece.machine not in by_name:
            raise TopologyError(
                f"{piece.name} is to run on the machine {piece.machine!r}, and {_those(machines)}; "
                "name one of these, or leave machine= out"
            )
    largest = sorted(machines, key=lambda machine: _size(machine.room), reverse=True)
    first = [machine for machine in largest if machine.name in settled]
    others = [machine for machine in largest if machine.name not in settled]
    if isinstance(spread, tuple):
        if unknown := [name for name in spread if name not in by_name]:
            raise TopologyError(
                f"spread= names the machine {unknown[0]!r}, and {_those(machines)}; name some of "
                "these"
            )
        chosen = first + [machine for machine in others if machine.name in spread]
    elif spread is not None:
        if spread > len(machines):
            raise TopologyError(
                f"spread={spread} asks for more machines than there are: {_those(machines)}; ask "
                "for fewer, or let others join (docker swarm join)"
            )
        chosen = (first + others)[: max(spread, len(first))]
    else:
        chosen = _enough(pieces, first, others)
    wanted = _sum(piece.demand for piece in pieces)
    if not wanted.fits(_sum(machine.room for machine in chosen)):
        raise TopologyError(_too_small(wanted, chosen))
    return chosen


def _enough(
    pieces: Sequence[Piece], first: list[MachineRoom], others: list[MachineRoom]
) -> list[MachineRoom]:
    """Return as few machines as hold all pieces, the largest first; all, where none do."""
    wanted = _sum(piece.demand for piece in pieces)
    chosen, room = list(first), _sum(machine.room for machine in first)
    for machine in others:
        if chosen and wanted.fits(room):
            break
        chosen.append(machine)
        room = room + machine.room
    return chosen


def _sum(demands: Iterable[Demand]) -> Demand:
    total = Demand()
    for demand in demands:
        total = total + demand
    return total


def _size(room: Demand) -> tuple[float, ...]:
    return (room.hosts, room.memory_mb, room.cpus)


def _those(machines: Sequence[MachineRoom]) -> str:
    names = ", ".join(machine.name for machine in machines)
    return f"the swarm has {names}" if names else "the swarm has no machine that is ready"


def _too_small(wanted: Demand, chosen: Sequence[MachineRoom]) -> str:
    room = _sum(machine.room for machine in chosen)
    lacking = [
        sentence
        for own, there, sentence in (
            (wanted.hosts, room.hosts, f"{room.hosts} hosts of {wanted.hosts}"),
            (
                wanted.memory_mb,
                room.memory_mb,
                f"{room.memory_mb:.0f} MB of memory of {wanted.memory_mb:.0f}",
            ),
            (wanted.cpus, room.cpus, f"{room.cpus:g} processors of {wanted.cpus:g}"),
        )
        if own > there
    ]
    names = ", ".join(machine.name for machine in chosen) or "none"
    return (
        f"the lab does not fit: on the machines {names} there is room for {', '.join(lacking)}; "
        "let more machines join (docker swarm join), or give hosts lower limits"
    )
