"""The files that an export makes, and the network as all exports look at it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import NamedTuple

from playground.model.records import dataclass
from playground.model.services.frr import RoutingDaemon
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import InterfacePlan, WirePlan
from playground.planning.shell_script import node_as_shell


@dataclass(frozen=True)
class Export:
    """What is written: the ``text`` of the file that was asked for, and files beside it.

    Of a folder that was asked for ``text`` is None, and all files are in it.  ``notes`` are
    sentences about what the other tool is not told.

    """

    text: str | None
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class ExportedCable(NamedTuple):
    """A link between two interfaces; that of a switch has no name."""

    a: str
    a_interface: str
    b: str
    b_interface: str
    wire: WirePlan


def cables(plan: Plan) -> Iterator[ExportedCable]:
    """Yield the cables of a plan; what runs over others is none."""
    machines = {node.name for node in plan.nodes}
    for wire in plan.wires:
        if wire.is_cable:
            names = [end.interface if end.node in machines else "" for end in (wire.a, wire.b)]
            yield ExportedCable(wire.a.node, names[0], wire.b.node, names[1], wire)


def own_interfaces(node: NodePlan) -> list[InterfacePlan]:
    """Return the interfaces of a node that a cable is plugged into."""
    return [
        item
        for item in node.interfaces
        if not item.is_loopback
        and item.parent is None
        and item.tunnel is None
        and item.bond is None
    ]


def commands(node: NodePlan) -> list[str]:
    """Return what sets a node up, as commands of which each is one line, or a heredoc's lines.

    What another tool does by itself, or may not do, is left out: lo and kernel settings of which
    a container has none of its own.

    """
    found: list[str] = []
    within = ""
    # Other ends of lines than the shell's own are left as they are, or a text would have more.
    for line in node_as_shell(node).split("\n"):
        if within:
            found[-1] += f"\n{line}"
            within = "" if line == within else within
        elif match := re.search(r"<<'(\w+)'$", line):
            within = match[1]
            found.append(line)
        elif line.strip() and line not in _NEEDLESS:
            found.append(line)
    return found


_NEEDLESS = ("ip link set dev lo up",)


# Services that are daemons of FRR, by their names there: https://docs.frrouting.org, "daemons".
FRR_DAEMONS = {
    **{name: f"{name}d" for name in ("ospf", "ospf6", "rip", "ripng", "bgp", "isis", "bfd")},
    **{
        name: f"{name}d" for name in ("pim", "pim6", "eigrp", "ldp", "pbr", "nhrp", "babel", "vrrp")
    },
    "openfabric": "fabricd",
    "segments": "pathd",
}


def frr_files(node: NodePlan) -> dict[str, str]:
    """Return frr.conf and daemons of a node that FRR runs on, {} for others."""
    daemons = [one for one in node.services if isinstance(one, RoutingDaemon)]
    texts = [text for one in daemons if (text := str(getattr(one, "configuration", None) or ""))]
    if not daemons:
        return {}
    lines = [f"{FRR_DAEMONS[one.service]}=yes" for one in daemons if one.service in FRR_DAEMONS]
    return {"frr.conf": "!\n".join(texts) or "!\n", "daemons": "\n".join(lines) + "\n"}


def lost(node: NodePlan) -> list[str]:
    """Return sentences about what of a node no other tool is told."""
    frr = (*FRR_DAEMONS, "frr")
    services = [one.service for one in node.services if one.service not in frr]
    found = []
    if services:
        found.append(f"{node.name}: the services {', '.join(services)} are not set up")
    for item in node.interfaces:
        if item.tunnel is not None:
            found.append(f"{node.name}: the tunnel {item.name} is not made")
    return found


def lost_of_wires(plan: Plan) -> list[str]:
    """Return sentences about impairments, and about ports of switches, which are ours alone."""
    found = [
        f"{cable.a} - {cable.b}: the impairment of the link is not told"
        for cable in cables(plan)
        if cable.wire.toward_a or cable.wire.toward_b
    ]
    for switch in plan.switches:
        found += [f"{switch.name}: the bond {bond.name} is not made" for bond in switch.bonds]
        if switch.guards:
            ports = ", ".join(guard.port for guard in switch.guards)
            found.append(f"{switch.name}: what its ports may learn and flood is not told ({ports})")
    return found
