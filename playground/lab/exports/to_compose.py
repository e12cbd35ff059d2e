"""A lab as a compose file: hosts are services, each network of theirs is a network."""

from __future__ import annotations

import io
import re
from typing import Any

from playground.lab.exports.export_shapes import (
    Export,
    dollars_doubled,
    lost,
    lost_of_wires,
    own_interfaces,
)
from playground.planning.plan import NodePlan, Plan

IMAGE = "debian:trixie-slim"


def compose(plan: Plan) -> Export:
    """Return a compose file: https://github.com/compose-spec/compose-spec/blob/main/spec.md.

    Compose knows no routers: networks, names and addresses are told, and the ways from one
    network to another are not.

    """
    from ruamel.yaml import YAML

    networks: dict[str, Any] = {}
    services: dict[str, Any] = {}
    notes = lost_of_wires(plan)
    notes += [
        f"{one.name}: a network of compose has no VLANs" for one in plan.switches if one.vlans
    ]
    for node in plan.nodes:
        services[node.name] = _service(node, networks)
        notes += lost(node, ("source", "command", "env"))
        if node.own_routes or node.own_rules:
            notes.append(f"{node.name}: routes and rules of its own are not told")
        if node.rules:
            notes.append(f"{node.name}: what it filters and translates is not told")
        if node.kind == "router":
            notes.append(f"{node.name}: a service of compose is no router, and has no routes")
    data = {
        "name": re.sub(r"[^a-z0-9_-]+", "-", plan.lab.lower()),
        "services": dollars_doubled(services),
    }
    if networks:
        data["networks"] = networks
    out = io.StringIO()
    yaml = YAML()
    yaml.width = 4096
    yaml.dump(data, out)
    return Export(out.getvalue(), {}, tuple(notes))


def _service(node: NodePlan, networks: dict[str, Any]) -> dict[str, Any]:
    container = node.container
    own = container.source is not None and container.source.kind == "reference"
    said: dict[str, Any] = {"image": container.source.value if own and container.source else IMAGE}
    if container.command is not None:
        said["command"] = list(container.command)
    elif not own:
        said["command"] = ["sleep", "infinity"]
    if container.env:
        said["environment"] = dict(container.env)
    attached: dict[str, Any] = {}
    for item in own_interfaces(node):
        network = re.sub(r"[^a-zA-Z0-9_.-]+", "-", item.segment).strip("-.") or "net"
        fours = [one for one in item.addresses if one.version == 4]
        known = networks.setdefault(network, {})
        if fours and fours[0].network.prefixlen < 31:
            known.setdefault("ipam", {"config": [{"subnet": str(fours[0].network)}]})
        attached[network] = {"ipv4_address": str(fours[0].ip)} if fours else None
    if attached:
        said["networks"] = attached
    else:
        said["network_mode"] = "none"
    return said
