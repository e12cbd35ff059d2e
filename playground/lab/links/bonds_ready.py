"""Waiting until both sides of each bond use all of its links that are up."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from playground.errors import NotReady
from playground.model.kernel.bonds import LACP, BondPlan
from playground.operations.connection.client import Client
from playground.planning.plan import Plan
from playground.planning.plan_parts import WireEnd, WirePlan

# Between two looks: LACP takes a second or two.
_PAUSE_S = 0.05


def wait_for_bonds(
    agent: Client,
    pids: Mapping[str, int],
    plan: Plan,
    wires: Iterable[WirePlan],
    timeout_s: float,
) -> None:
    """Wait for the bonds among wires that are new; without any, return at once.

    Raises `NotReady` with the links that are not used after ``timeout_s`` seconds.

    """
    found = bonds_of(plan, wires)
    if not found:
        return
    ends = [{"pid": pids.get(end.node), "interface": end.interface} for end, _ in found]
    began = time.monotonic()
    while complaints := unused(plan, found, agent.call("bonds", ends=ends)):
        if time.monotonic() - began > timeout_s:
            raise NotReady(
                f"bonds do not use all of their links after {timeout_s:g} s: "
                f"{'; '.join(complaints[:3])}: does the other side speak the same mode?"
            )
        time.sleep(_PAUSE_S)


def bonds_of(plan: Plan, wires: Iterable[WirePlan]) -> list[tuple[WireEnd, BondPlan]]:
    """Return the ends of those wires that are bonds which are up."""
    known = {
        (node.name, item.name): item.bond for node in plan.nodes for item in node.interfaces
    } | {(switch.name, bond.name): bond for switch in plan.switches for bond in switch.bonds}
    return [
        (end, bond)
        for wire in wires
        if wire.bond is not None and wire.up
        for end in (wire.a, wire.b)
        if (bond := known.get((end.node, end.interface))) is not None
    ]


def unused(
    plan: Plan,
    ends: Sequence[tuple[WireEnd, BondPlan]],
    answers: Sequence[Sequence[Mapping[str, Any]]],
) -> list[str]:
    """Return in words which links that are up no side uses yet."""
    down = {
        (end.node, end.interface) for wire in plan.wires if not wire.up for end in (wire.a, wire.b)
    }
    complaints = []
    for (end, bond), rows in zip(ends, answers, strict=True):
        wanted = [row for row in rows if (end.node, row["interface"]) not in down]
        idle = [row["interface"] for row in wanted if not row["active"]]
        # Of other modes one link is active, or the kernel uses all that are up.
        enough = not idle if bond.mode == LACP else len(idle) < max(1, len(wanted))
        if wanted and not enough:
            complaints.append(f"{end.node}'s {end.interface} does not use {', '.join(idle)}")
    return complaints
