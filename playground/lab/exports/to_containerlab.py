"""A lab as a topology of containerlab: https://containerlab.dev/manual/topo-def-file/."""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from playground.lab.exports.containerlab_fields import container_fields
from playground.lab.exports.export_shapes import (
    USUAL_MTU_BYTES,
    Export,
    cables,
    commands,
    dollars_doubled,
    frr_files,
    lost,
    lost_of_wires,
    script_commands,
)
from playground.planning.plan import NodePlan, Plan

# What plain nodes run there: any image with a shell, iproute2 and nftables will do.
IMAGE = "nicolaka/netshoot"
FRR_IMAGE = "quay.io/frrouting/frr:10.2.1"


def containerlab(plan: Plan) -> Export:
    """Return a topology file, and the files of FRR beside it, in a folder for each router.

    Switches are bridges, which containerlab wants to be made by hand before.

    """
    from ruamel.yaml import YAML
    from ruamel.yaml.scalarstring import LiteralScalarString

    nodes: dict[str, Any] = {}
    files: dict[str, str] = {}
    notes = lost_of_wires(plan, ("mtu_bytes",))
    for switch in plan.switches:
        nodes[switch.name] = {"kind": "bridge"}
        if switch.vlans:
            notes.append(f"{switch.name}: a bridge there is told of no VLANs")
    checked = {node.name for node in plan.nodes if node.container.healthcheck is not None}
    for node in plan.nodes:
        fields, told = container_fields(node, checked)
        script, told_by_script = script_commands(node)
        # The host's image has a command of its own.
        for name in told_by_script & {"command", "healthcheck"}:
            fields.pop(_OF_SCRIPTS[name], None)
        told |= told_by_script
        said, further = _node(node, fields, script)
        nodes[node.name] = said
        files |= further
        notes += lost(node, told | {"source"})
    nodes = dollars_doubled(nodes)
    for node_said in nodes.values():
        if "exec" in node_said:
            node_said["exec"] = [
                LiteralScalarString(one + "\n") if "\n" in one else one for one in node_said["exec"]
            ]
    topology: dict[str, Any] = {"nodes": nodes}
    # Its schema wants no empty list, here and for exec.
    if links := [*_links(plan)]:
        topology["links"] = links
    data = {"name": plan.lab, "topology": topology}
    yaml = YAML()
    yaml.width = 4096
    out = io.StringIO()
    yaml.dump(data, out)
    return Export(out.getvalue(), files, tuple(notes))


# What runs a script here and waits for its end, and is exec there.
_OF_SCRIPTS = {"command": "cmd", "healthcheck": "healthcheck"}


def _node(
    node: NodePlan, fields: dict[str, Any], script: Sequence[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    container = node.container
    frr = frr_files(node)
    image = FRR_IMAGE if frr else IMAGE
    if container.source is not None and container.source.kind == "reference":
        image = container.source.value
    # Its eth0 would be that of a network for management otherwise.
    said: dict[str, Any] = {"kind": "linux", "image": image, "network-mode": "none"} | fields
    if frr:
        own = [f"{node.name}/{name}:/etc/frr/{name}" for name in frr]
        said["binds"] = own + said.get("binds", [])
    said["exec"] = [
        # No shell reads the commands of exec.
        f"sh -c {shlex.quote(line)}" if "\n" in line else line
        for line in commands(node)
    ]
    if script:
        said["exec"].append("sh -c " + shlex.quote("\n".join(script)))
    if not said["exec"]:
        del said["exec"]
    return said, {f"{node.name}/{name}": text for name, text in frr.items()}


def _links(plan: Plan) -> Iterator[dict[str, Any]]:
    ports: dict[str, int] = {}
    for cable in cables(plan):
        ends = []
        for node, interface in ((cable.a, cable.a_interface), (cable.b, cable.b_interface)):
            if not interface:
                ports[node] = ports.get(node, 0) + 1
                interface = f"eth{ports[node]}"
            ends.append(f"{node}:{interface}")
        link: dict[str, Any] = {"endpoints": ends}
        if cable.wire.mtus is None and cable.wire.mtu_bytes != USUAL_MTU_BYTES:
            link["mtu"] = cable.wire.mtu_bytes
        yield link
