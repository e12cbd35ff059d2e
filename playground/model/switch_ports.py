"""Settings of one port of a switch: its place in the spanning tree, and whom it may speak to."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from playground.errors import TopologyError
from playground.model.records import dataclass

# linux/if_bridge.h and net/bridge/br_stp_if.c: BR_MAX_PATH_COST, BR_MAX_PORT_PRIORITY.
_MOST_COST = 65_535
_MOST_PRIORITY = 63
# IEEE 802.1D: a port of 10 Gbit/s, as a veth says that it is, costs 2; and the usual priority.
USUAL_COST, USUAL_PRIORITY = 2, 32


@dataclass(frozen=True)
class PortSettings:
    """What was said of a port; None where nothing was.

    ``cost`` is what a way through it costs in the spanning tree, 1 to 65,535, and of ports that
    lead to one switch at the same cost the one with the lowest ``priority`` there (0 to 63) is
    taken (IEEE 802.1D).  Ports that are ``isolated`` pass no frames to each other, and all to the
    ports that are not: neighbours at a provider's switch see the way out, and nobody else.

    >>> PortSettings(cost=100, isolated=True)
    PortSettings(cost=100, isolated=True)

    """

    cost: int | None = None
    priority: int | None = None
    isolated: bool | None = None

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("cost", self.cost, 1, _MOST_COST),
            ("priority", self.priority, 0, _MOST_PRIORITY),
        ):
            whole = isinstance(value, int) and not isinstance(value, bool)
            if value is not None and not (whole and least <= value <= most):
                raise TopologyError(f"{name}={value!r} is no whole number from {least} to {most}")
        if self.isolated is not None and not isinstance(self.isolated, bool):
            raise TopologyError(f"isolated={self.isolated!r} is neither True nor False")

    def given(self) -> dict[str, Any]:
        """Return what was said."""
        return {
            field.name: value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) is not None
        }

    def __or__(self, other: PortSettings) -> PortSettings:
        """Return these settings with those of another where it says something."""
        return dataclasses.replace(self, **other.given())

    def __repr__(self) -> str:
        words = ", ".join(f"{name}={value!r}" for name, value in self.given().items())
        return f"PortSettings({words})"


@dataclass(frozen=True)
class PortSettingsPlan:
    """A port by its name, with all that it shall be."""

    port: str
    cost: int = USUAL_COST
    priority: int = USUAL_PRIORITY
    isolated: bool = False

    @classmethod
    def of(cls, port: str, settings: PortSettings) -> PortSettingsPlan:
        """Return it with what is usual where nothing was said."""
        return cls(port, **settings.given())

    def request(self) -> dict[str, Any]:
        """Return it as the agent takes it."""
        return dataclasses.asdict(self)

    def as_shell(self) -> Iterator[str]:
        """Yield the command that does the same (bridge(8), "bridge link").

        >>> list(PortSettingsPlan("h1-eth0", isolated=True).as_shell())
        ['bridge link set dev h1-eth0 cost 2 priority 32 isolated on']

        """
        isolated = "on" if self.isolated else "off"
        words = f"cost {self.cost} priority {self.priority} isolated {isolated}"
        yield f"bridge link set dev {self.port} {words}"
