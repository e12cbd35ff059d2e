"""The sliders of a link: delay, loss and rate, as what `Link.impair` takes, and read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from playground.errors import BadArgument
from playground.model.impairment import Impairment
from playground.model.records import dataclass
from playground.operations.links.link import ImpairedDirection

BOTH = "both directions"


@dataclass(frozen=True)
class Slider:
    """A slider of the page; ``steps`` are the values that it goes through, the first is "none"."""

    name: str
    label: str
    unit: str
    steps: tuple[float, ...]

    def position(self, value: float | None) -> int:
        """Return the step that is nearest to a value, which another may have set."""
        wanted = self.steps[0] if value is None else value
        return min(range(len(self.steps)), key=lambda n: abs(self.steps[n] - wanted))

    def words(self, position: int) -> str:
        """Return what a step says, as "20 ms"."""
        return f"{self.value(position):g} {self.unit}" if position else "none"

    def value(self, position: int) -> float:
        """Return the value of a step; raises `BadArgument` for one that is not on the slider.

        A position is what a browser says, which may be anything.

        """
        if type(position) is not int or not 0 <= position < len(self.steps):
            raise BadArgument(f"{self.label.lower()} has no step {position!r:.40}: move its slider")
        return self.steps[position]


# Steps as people say them, closer where it matters: 60,000 ms on one line would leave no 20.
SLIDERS = (
    Slider(
        "delay_ms", "Delay", "ms", (0, 1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000)
    ),
    Slider("loss_percent", "Loss", "%", (0, 0.1, 0.5, 1, 2, 3, 5, 10, 15, 20, 30, 50, 75, 100)),
    # The first step is no limit at all; then from slow to fast.
    Slider(
        "rate_mbit",
        "Rate",
        "Mbit/s",
        (0, 0.064, 0.128, 0.256, 0.512, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
    ),
)

_UNITS = {"_ms": "ms", "_percent": "%", "_mbit": "Mbit/s", "_packets": "packets"}


def arguments(positions: Mapping[str, int], before: Impairment, toward: str) -> dict[str, Any]:
    """Return the arguments of `Link.impair` for these positions.

    What no slider has (jitter, duplicates and the like) stays as it was.

    """
    said: dict[str, Any] = dict(before.settings())
    for slider in SLIDERS:
        value = slider.value(positions[slider.name])
        said.pop(slider.name, None)
        if value:
            said[slider.name] = value
    delay_ms = said.get("delay_ms", 0)
    if said.get("jitter_ms", 0) > delay_ms:
        said["jitter_ms"] = delay_ms
    if not said.get("jitter_ms"):
        said.pop("distribution", None)
        said.pop("jitter_ms", None)
    if not said.get("loss_percent"):
        said.pop("loss_correlation", None)
    if not delay_ms:
        said.pop("reorder_percent", None)
    if not (delay_ms or said.get("rate_mbit")):
        said.pop("queue_packets", None)
    if toward != BOTH:
        said["toward"] = toward
    return said


def in_direction(found: Iterable[ImpairedDirection], toward: str) -> Impairment:
    """Return what holds in a direction; of both, the first that is impaired."""
    rows = [row.impairment for row in found if toward in (BOTH, row.toward)]
    return rows[0] if rows else Impairment()


def positions(impairment: Impairment) -> dict[str, int]:
    """Return where the sliders stand for an impairment."""
    return {one.name: one.position(getattr(impairment, one.name)) for one in SLIDERS}


def words(found: Iterable[ImpairedDirection]) -> str:
    """Return what the kernel says of both directions, in a sentence."""
    told = [
        f"toward {row.toward}: "
        + ", ".join(_said(name, value) for name, value in row.impairment.settings().items())
        + (f" (by {', '.join(row.by)})" if row.by else "")
        for row in found
    ]
    return "; ".join(told) or "not impaired"


def _said(name: str, value: object) -> str:
    """Return a setting with its unit behind it.

    >>> _said("rate_mbit", 2.0)
    'rate 2 Mbit/s'

    """
    number = f"{value:g}" if isinstance(value, float) else str(value)
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            return f"{name.removesuffix(ending).replace('_', ' ')} {number} {unit}"
    return f"{name.replace('_', ' ')} {number}"
