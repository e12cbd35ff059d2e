"""What the guards of switches' ports have refused, as evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from playground.model.records import dataclass
from playground.model.switching.port_guards import PortGuardPlan
from playground.planning.plan_parts import SwitchPlan


@dataclass(frozen=True)
class GuardedPort:
    """A guard, the addresses that it refused of late, and how much of a flood it held back."""

    guard: PortGuardPlan
    macs: tuple[str, ...]
    refused: frozenset[str]
    suppressed: int


def guarded_ports(
    switch: SwitchPlan, rows: Iterable[Mapping[str, Any]]
) -> dict[tuple[str, str], GuardedPort]:
    """Return the guards of a switch by its name and the port, of what the agent says of them."""
    guards = {guard.table: guard for guard in switch.guards}
    found = {}
    for row in rows:
        guard = guards[row["table"]]
        found[switch.name, guard.port] = GuardedPort(
            guard,
            (*guard.macs, *row["learned"]),
            frozenset(mac for mac, _ in row["refused"]),
            row["suppressed"] or 0,
        )
    return found
