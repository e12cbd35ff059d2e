"""VRFs of a router that runs, by the names that people give."""

from __future__ import annotations

from playground.errors import BadArgument
from playground.model.arguments import shown
from playground.operations.connection.handles import Node


def check_vrf(node: Node, vrf: object) -> str | None:
    """Return the name of a VRF of a node, which is that of its interface too; None for none.

    Raises `BadArgument` where the node has no such VRF.

    """
    if vrf is None:
        return None
    tables = _tables(node)
    if not isinstance(vrf, str) or vrf not in tables:
        known = ", ".join(tables) or "none"
        raise BadArgument(f"{node.name} has no VRF {shown(vrf)} (it has: {known})")
    return vrf


def table_of(node: Node, vrf: str | None) -> int | None:
    """Return the number of a VRF's table; None for that of no VRF."""
    return None if vrf is None else _tables(node)[vrf]


def _tables(node: Node) -> dict[str, int]:
    plan = node.running().plan
    return {item.name: item.table for item in plan.vrfs} if plan else {}
