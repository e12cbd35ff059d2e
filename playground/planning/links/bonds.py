"""Bonds of a plan: which interfaces each end is made of."""

from __future__ import annotations

from collections.abc import Mapping

from playground.model.kernel.bonds import BondPlan
from playground.model.parts import End, NodeBase
from playground.model.topology import Link, Switch


def find_bond(link: Link, node: NodeBase, names: Mapping[End, str]) -> BondPlan | None:
    """Return the end that a link has at a node as a bond; None for what is none there.

    ``names`` are those of interfaces and ports, of the bond and its links.

    """
    said = link.bond_settings
    if said is None or link.end(node).vlan is not None or not link.bonds_at(node):
        return None
    members = tuple(names[member.end(node)] for member in link.members)
    primary = None if said.primary is None else members[said.primary]
    return BondPlan(names[link.end(node)], said.mode, members, said.spread_by, primary)


def switch_bonds(switch: Switch, names: Mapping[End, str]) -> tuple[BondPlan, ...]:
    """Return the ports of a switch that are bonds, in the order of its links."""
    found = (find_bond(link, switch, names) for link in switch.links)
    return tuple(bond for bond in found if bond is not None)
