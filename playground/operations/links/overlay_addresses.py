"""Addresses that a leaf of an overlay knows, as FRR has them: its own, and what others told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playground.display.tables import Table
from playground.errors import BadArgument
from playground.model.arguments import shown
from playground.model.records import dataclass
from playground.operations.connection.handles import Node
from playground.operations.nodes.vtysh import vtysh_read


@dataclass(frozen=True)
class OverlayAddress:
    """A MAC address of a VNI: behind one of the leaf's own interfaces, or behind another leaf.

    ``leaf`` is the other leaf's name, ``vtep`` its address; both are None for its own.

    """

    vni: int
    mac: str
    interface: str | None
    leaf: str | None
    vtep: str | None


def vni_addresses(node: Node, vni: int | None = None) -> Table[OverlayAddress]:
    """Return the MAC addresses that a router knows in its VNIs, or in one of them.

    Its own bridges have learned some from frames; of the others BGP has told it (EVPN)::

        >>> leaf1.vni_addresses()
        vni  mac                interface  leaf   vtep
        100  02:8c:28:be:ec:3d  eth1
        100  02:d6:c2:3b:17:32             leaf2  10.10.10.2

    Raises `BadArgument` where the router has no such VNI, `NotRunning`, and `CommandFailed`
    where FRR does not answer.

    """
    live = node.running()
    plan = live.plan
    numbers = [one.number for one in plan.vnis] if plan else []
    if not numbers or (vni is not None and vni not in numbers):
        known = ", ".join(map(str, numbers)) or "none"
        which = "VNI" if vni is None else f"VNI {shown(vni)}"
        raise BadArgument(f"{node.name} has no {which} (it has: {known})")
    owners = live.lab.running_plan().owners
    command = "show evpn mac vni all json"
    rows = vtysh_read(node, command, lambda said: list(_rows(said[0], owners)))
    return Table(row for row in rows if vni in (None, row.vni))


def _rows(said: Any, owners: dict[str, str]) -> Iterator[OverlayAddress]:
    for number, table in said.items():
        for mac, row in table.get("macs", {}).items():
            vtep = row.get("remoteVtep")
            interface = None if vtep else row.get("intf")
            yield OverlayAddress(int(number), mac, interface, owners.get(vtep), vtep)
