"""The files that an export makes, and the network as all exports look at it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import field, fields
from typing import Any, NamedTuple

from playground.model.records import dataclass
from playground.model.services.frr import RoutingDaemon
from playground.model.switches import PLAIN
from playground.operations.programs.script_failures import SCRIPT
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


def script_commands(node: NodePlan) -> tuple[list[str], frozenset[str]]:
    """Return the lines of the script that a reader of another tool's file gave a host.

    And the fields of `ContainerSettings` that are told by them: the script's own file, and what
    runs it and waits for it.

    """
    files = dict(node.container.files)
    text = files.pop(SCRIPT, None)
    if not isinstance(text, bytes):
        return [], frozenset()
    told = set() if files else {"files"}
    # An image of the user's keeps its own, and a program of the host's runs the script.
    if any(SCRIPT in word for word in node.container.command or ()):
        told |= {"command", "healthcheck"}
    return text.decode(errors="replace").rstrip("\n").split("\n"), frozenset(told)


def dollars_doubled(data: Any) -> Any:
    """Return data with each "$" of its texts doubled, for files where one begins a variable.

    >>> dollars_doubled({"env": {"HOME_OF": "$HOME"}})
    {'env': {'HOME_OF': '$$HOME'}}

    """
    if isinstance(data, str):
        return data.replace("$", "$$")
    if isinstance(data, list):
        return [dollars_doubled(item) for item in data]
    if isinstance(data, dict):
        return {key: dollars_doubled(item) for key, item in data.items()}
    return data


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


def lost(node: NodePlan, took: Collection[str] = ()) -> list[str]:
    """Return sentences about what of a node the other tool is not told.

    ``took`` are the fields of `ContainerSettings` and `Limits` that it is told of.

    """
    frr = (*FRR_DAEMONS, "frr")
    services = [one.service for one in node.services if one.service not in frr]
    found = []
    if services:
        found.append(f"{node.name}: the services {', '.join(services)} are not set up")
    for item in node.interfaces:
        if item.tunnel is not None:
            found.append(f"{node.name}: the tunnel {item.name} is not made")
    if untold := _untold_arguments(node, took):
        words = ", ".join(f"{one}=" for one in untold)
        found.append(f"{node.name}: {words} {'are' if len(untold) > 1 else 'is'} not told")
    return found


def _untold_arguments(node: NodePlan, took: Collection[str]) -> list[str]:
    """Return the arguments of a host, about its container and its limits, that nobody is told."""
    source = node.container.source
    if source is not None and source.kind != "reference":
        # Elsewhere an image is known by its name alone.
        took = {*took} - {"source"}
    untold = [name for name in node.container.said() if name not in took]
    limits = [name for name, value in vars(node.limits).items() if value is not None]
    untold += [name for name in limits if name not in took]
    is_built = source is not None and source.kind in ("directory", "dockerfile")
    arguments = {"source": "build" if is_built else "image", "after_end": "after"}
    return [*dict.fromkeys(arguments.get(name, name) for name in untold)]


def lost_of_wires(plan: Plan, took: Collection[str] = ()) -> list[str]:
    """Return sentences about links, and about ports of switches, that the other tool is not told.

    ``took`` are the fields of `WirePlan` that it is told of.

    """
    found = []
    for cable in cables(plan):
        said = (_WIRE_LOSSES[name] for name in _unusual(cable.wire) if name not in took)
        for words in dict.fromkeys(filter(None, said)):
            found.append(f"{cable.a} - {cable.b}: {words}")
    for switch in plan.switches:
        found += [f"{switch.name}: the bond {bond.name} is not made" for bond in switch.bonds]
        if switch.guards:
            ports = ", ".join(guard.port for guard in switch.guards)
            found.append(f"{switch.name}: what its ports may learn and flood is not told ({ports})")
        if switch.port_settings:
            ports = ", ".join(one.port for one in switch.port_settings)
            found.append(f"{switch.name}: what was set at its ports is not told ({ports})")
        if switch.settings != PLAIN:
            words = ", ".join(f"{name}=" for name in switch.settings.given())
            found.append(f"{switch.name}: a plain bridge there is not told of {words}")
        if switch.mirror:
            found.append(f"{switch.name}: the mirror of its ports is not made")
    return found


# What is lost with each field of a wire; "" where that is nothing, or is said elsewhere.
_WIRE_LOSSES = {
    "a": "",
    "b": "",
    "mtu_bytes": "the MTU of the link is not told",
    "mtus": "the MTUs of the link's ends are not told",
    # It changes how fast this machine is, and no frame.
    "offload": "",
    "up": "the link is down, which is not told",
    "toward_a": "the impairment of the link is not told",
    "toward_b": "the impairment of the link is not told",
    "tunnel": "",
    "queue_a": "the queues of the link are not told",
    "queue_b": "the queues of the link are not told",
    "bond": "",
    "member": "",
}


# Ethernet's, IEEE 802.3
USUAL_MTU_BYTES = 1500


def _unusual(wire: WirePlan) -> Iterator[str]:
    """Yield the fields of a wire that are not as those of a plain cable."""
    plain = WirePlan(wire.a, wire.b, wire.mtu_bytes if wire.mtus else USUAL_MTU_BYTES, False)
    for one in fields(wire):
        here, usual = getattr(wire, one.name), getattr(plain, one.name)
        if here != usual and (here or usual):
            yield one.name
