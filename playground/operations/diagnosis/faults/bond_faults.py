"""Faults of bonds: none of their links carries anything.  Pure."""

from __future__ import annotations

from playground.model.kernel.bonds import LACP, BondPlan
from playground.operations.diagnosis.evidence.facts import Facts
from playground.operations.diagnosis.faults.advised_calls import link_call, variable
from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.planning.plan_parts import WirePlan


def dead_bond(walk: Walk, node: str, interface: str) -> Fault | None:
    """Return why a bond has no carrier; None for what is no bond."""
    bond = _planned(walk.facts, node, interface)
    if bond is None:
        return None
    members = _members(walk.facts, node, bond)
    names = ", ".join(bond.members)
    walk.step(node, "bond", f"none of {names} carries anything", False)
    down = [wire for wire in members if not wire.up]
    if len(down) == len(members):
        calls = ", ".join(f"`{link_call(walk.facts, wire)}.up()`" for wire in down)
        return Fault(
            node,
            "link down",
            f"All links of {node}'s bond {interface} are down: {names}.",
            f"Plug one in again: {calls}.",
        )
    lacp = " It waits for the other side to speak LACP." if bond.mode == LACP else ""
    return Fault(
        node,
        "bond",
        f"{node}'s bond {interface} uses none of its links, {names}, though some are plugged "
        f"in.{lacp}",
        f'Look at /proc/net/bonding/{interface}: `{variable(node)}.run("cat '
        f'/proc/net/bonding/{interface}")`, and at the other side.',
    )


def _planned(facts: Facts, node: str, interface: str) -> BondPlan | None:
    for switch in facts.plan.switches:
        if switch.name == node:
            return next((bond for bond in switch.bonds if bond.name == interface), None)
    items = facts.plan.node(node).interfaces
    return next((item.bond for item in items if item.name == interface), None)


def _members(facts: Facts, node: str, bond: BondPlan) -> list[WirePlan]:
    ends = {(node, member) for member in bond.members}
    return [
        wire
        for wire in facts.plan.wires
        if any((end.node, end.interface) in ends for end in (wire.a, wire.b)) and wire.is_cable
    ]
