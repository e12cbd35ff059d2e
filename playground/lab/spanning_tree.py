"""Waiting until switches that speak STP have agreed on a tree (IEEE 802.1D).

`unsettled` is a pure function of what the kernel's bridges say; `wait_settled` asks
them until it has no more to say.

"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from playground.errors import NotReady
from playground.operations.connection.client import Client
from playground.planning.broadcast_domains import find_domains
from playground.planning.plan import Plan
from playground.planning.plan_parts import WirePlan

# Between two looks: a tree takes seconds, a look a millisecond.
_PAUSE_S = 0.05


def wait_settled(agent: Client, plan: Plan, timeout_s: float) -> float:
    """Wait until every port passes frames or is blocked; return how many seconds it took.

    Raises `NotReady`, which says what is missing, after ``timeout_s`` seconds.  Without
    switches that speak the protocol it returns 0.0 at once.

    """
    devices = [switch.device for switch in plan.switches if switch.settings.stp]
    if not devices:
        return 0.0
    began = time.monotonic()
    while complaints := unsettled(plan, agent.call("switches", devices=devices)):
        if time.monotonic() - began > timeout_s:
            raise NotReady(
                f"the switches have not agreed on a spanning tree within {timeout_s:g} s: "
                + "; ".join(complaints[:3])
            )
        time.sleep(_PAUSE_S)
    return time.monotonic() - began


def unsettled(plan: Plan, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return in words what is not yet decided: ports, and who the root is.

    A row with a VLAN is of a switch that has a tree for each.

    """
    names = {switch.device: switch.name for switch in plan.switches}
    complaints = [
        f"{names[row['device']]}'s port {port['port']} is {port['state']}"
        for row in rows
        for port in row["ports"]
        # A port without a carrier stands still, until something is plugged in.
        if port["state"] in ("listening", "learning")
        or (port["state"] == "disabled" and port["carrier"])
    ]
    by_place = {(names[row["device"]], row.get("vlan")): row for row in rows}
    numbers = {vlan for _, vlan in by_place}
    for group in _groups(plan) if numbers <= {None} else _vlan_groups(plan):
        speakers = [by_place[place] for place in group if place in by_place]
        if not speakers:
            continue
        # The lowest identifier of all, priority first, is the root's: section 8.3.1.
        best = min(speakers, key=lambda row: str(row["id"]))
        complaints += [
            f"{names[row['device']]} does not know that {names[best['device']]} is the root"
            for row in speakers
            if row["root"] != best["id"]
        ]
    return complaints


Places = set[tuple[str, int | None]]


def _groups(plan: Plan) -> list[Places]:
    """Return which switches are connected by links that are up."""
    groups: dict[str, Places] = {name: {(name, None)} for name in sorted(plan.switch_names)}
    for wire in _up_between(plan):
        one, other = groups[wire.a.node], groups[wire.b.node]
        if one is not other:
            one |= other
            for name, _ in other:
                groups[name] = one
    return list({id(group): group for group in groups.values()}.values())


def _vlan_groups(plan: Plan) -> list[Places]:
    """Return the same for each VLAN, where each has a tree of its own."""
    return [
        # A customer's VLAN within a provider's has no tree of its own.
        {(name, int(vlan) if vlan else None) for name, vlan in domain if "." not in vlan}
        for domain in find_domains(plan, _up_between(plan))
    ]


def _up_between(plan: Plan) -> list[WirePlan]:
    return [
        wire for wire in plan.wires if wire.up and {wire.a.node, wire.b.node} <= plan.switch_names
    ]
