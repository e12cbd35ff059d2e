"""Settings of one port of a switch: its place in the spanning tree, and who may speak there."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from playground.errors import TopologyError
from playground.model.arguments import is_list
from playground.model.notation import parse_mac
from playground.model.records import dataclass
from playground.model.switches import AGEING_S, SwitchSettings
from playground.model.switching.port_guards import PortGuardPlan, check_limits, in_a_loop

# linux/if_bridge.h and net/bridge/br_stp_if.c: BR_MAX_PATH_COST, BR_MAX_PORT_PRIORITY.
_MOST_COST = 65_535
_MOST_PRIORITY = 63
# IEEE 802.1D: a port of 10 Gbit/s, as a veth says that it is, costs 2; and the usual priority.
USUAL_COST, USUAL_PRIORITY = 2, 32
# Of the groups that IEEE 802.1D keeps for bridges, the third is LACP's: 01:80:c2:00:00:02.
LACP_MASK = 0x4


@dataclass(frozen=True)
class PortSettings:
    """What was said of a port; None where nothing was.

    ``cost`` is what a way through it costs in the spanning tree, 1 to 65,535, and of ports that
    lead to one switch at the same cost the one with the lowest ``priority`` there (0 to 63) is
    taken (IEEE 802.1D).  Ports that are ``isolated`` pass no frames to each other, and all to the
    ports that are not: neighbours at a provider's switch see the way out, and nobody else.

    With ``max_macs`` a port learns so many MAC addresses, 1 to 1,024, and drops what comes from
    any other (port security).  It forgets one that was silent for as long as its switch remembers
    addresses, and never if it is ``sticky``.  ``macs`` are known from the start, and count; without
    ``max_macs`` they are the only ones.  Of broadcasts and multicasts it lets ``storm_limit``
    frames in each second, 1 to 10,000,000, and drops the others (storm control).  0 stands for
    any number, of both.  With ``passes_lacp`` it passes LACP on as a cable does (IEEE 802.1AX),
    which a switch keeps to itself.

    >>> PortSettings(cost=100, isolated=True)
    PortSettings(cost=100, isolated=True)
    >>> PortSettings(max_macs=1, sticky=True)
    PortSettings(max_macs=1, sticky=True)

    """

    cost: int | None = None
    priority: int | None = None
    isolated: bool | None = None
    max_macs: int | None = None
    macs: tuple[str, ...] | None = None
    sticky: bool | None = None
    storm_limit: int | None = None
    passes_lacp: bool | None = None

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("cost", self.cost, 1, _MOST_COST),
            ("priority", self.priority, 0, _MOST_PRIORITY),
        ):
            whole = isinstance(value, int) and not isinstance(value, bool)
            if value is not None and not (whole and least <= value <= most):
                raise TopologyError(f"{name}={value!r} is no whole number from {least} to {most}")
        for name in ("isolated", "passes_lacp"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, bool):
                raise TopologyError(f"{name}={value!r} is neither True nor False")
        self._check_guards()

    def _check_guards(self) -> None:
        check_limits(self.max_macs, self.storm_limit)
        if self.sticky is not None and not isinstance(self.sticky, bool):
            raise TopologyError(f"sticky={self.sticky!r} is neither True nor False")
        if self.macs is not None:
            if not is_list(self.macs):
                raise TopologyError(
                    f"macs={self.macs!r} is no list of MAC addresses; write them as in "
                    f'["02:00:00:00:00:01"]'
                )
            macs = tuple(dict.fromkeys(parse_mac("macs", mac) for mac in self.macs))
            object.__setattr__(self, "macs", macs)
        if self.max_macs and len(self.macs or ()) > self.max_macs:
            raise TopologyError(
                f"max_macs={self.max_macs} is less than the {len(self.macs or ())} addresses of "
                f"macs=; raise it, or name fewer"
            )
        if self.sticky and not (self.macs or self.max_macs is not None):
            raise TopologyError(
                "sticky=True says that no address is forgotten that counts; say how many there "
                "may be: max_macs=1"
            )

    def guard(self, port: str, remembers_s: float) -> PortGuardPlan:
        """Return the guard of a port, false where nothing of it was said.

        ``remembers_s`` is how long its switch remembers an address.

        """
        macs = self.macs or ()
        most = len(macs) if self.max_macs is None else self.max_macs
        sticky = bool(self.sticky)
        forgets = most > len(macs) and not sticky
        return PortGuardPlan(
            port,
            most,
            macs if most else (),
            sticky,
            max(1, round(remembers_s)) if forgets else 0,
            self.storm_limit or 0,
        )

    def given(self) -> dict[str, Any]:
        """Return what was said."""
        return {
            field.name: value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) is not None
        }

    def with_said(self, said: Mapping[str, Any]) -> PortSettings:
        """Return these settings with what is said now; None in it says nothing."""
        new = {name: value for name, value in said.items() if value is not None}
        return dataclasses.replace(self, **new)

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
    passes_lacp: bool = False

    @classmethod
    def of(cls, port: str, settings: PortSettings) -> PortSettingsPlan | None:
        """Return it with what is usual where nothing was said; None where nothing at all was."""
        given = settings.given()
        names = ("cost", "priority", "isolated", "passes_lacp")
        said = {name: given[name] for name in names if name in given}
        return cls(port, **said) if said else None

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
        if self.passes_lacp:
            yield f"ip link set dev {self.port} type bridge_slave group_fwd_mask {LACP_MASK}"


def port_settings_and_guards(
    names: Mapping[Any, str],
    said: Mapping[Any, PortSettings],
    settings: SwitchSettings,
    looped: Collection[Any] = (),
) -> tuple[tuple[PortSettingsPlan, ...], tuple[PortGuardPlan, ...]]:
    """Return what was said of a switch's ports by the ``names`` that these have, as a plan has it.

    A link that has no port yet is passed over.  Those of a loop, ``looped``, have limits.

    """
    said = dict(said)
    for link in names:
        if link.bond is not None and link.bond.passes_lacp:
            said[link] = said.get(link, PortSettings()).with_said({"passes_lacp": True})
    placed = {names[link]: item for link, item in said.items() if link in names}
    remembers_s = settings.remembers_s or AGEING_S  # a hub's port counts all the same
    plans = (PortSettingsPlan.of(port, item) for port, item in placed.items())
    found = {port: item.guard(port, remembers_s) for port, item in placed.items()}
    for port in (port for link, port in names.items() if link in looped):
        found[port] = in_a_loop(found.get(port, PortGuardPlan(port)))
    return tuple(item for item in plans if item), tuple(filter(None, found.values()))
