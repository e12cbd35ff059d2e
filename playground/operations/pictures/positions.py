"""Places of cards in a picture, as somebody says them.  Pure."""

from __future__ import annotations

from collections.abc import Mapping

from playground.errors import TopologyError
from playground.model.arguments import shown

Position = tuple[float, float]

# Farther away nobody finds a card again.
_FARTHEST_PX = 100_000.0


def check_positions(here: str, positions: object) -> dict[str, Position]:
    """Return places of cards as they were said, {name: [x, y]} in pixels; None is none.

    Raises `TopologyError` for what is no place.

    """
    if positions is None:
        return {}
    if not isinstance(positions, Mapping):
        raise TopologyError(
            f"{here}: positions={shown(positions)} is none: write {{'h1': (120, 40)}}, the middle "
            "of each node's card in pixels"
        )
    return {name: _place(here, name, place) for name, place in positions.items()}


def _place(here: str, name: object, place: object) -> Position:
    if isinstance(name, str) and isinstance(place, (list, tuple)) and len(place) == 2:
        x, y = place
        numbers = all(isinstance(one, (int, float)) and one is not True for one in (x, y))
        if numbers and all(abs(one) <= _FARTHEST_PX for one in (x, y)):
            return (float(x), float(y))
    raise TopologyError(
        f"{here}: {shown(place)} is no place for {shown(name)}: write two numbers of pixels, as in "
        f"positions={{'h1': (120, 40)}}"
    )
