"""A network as data for other programs: networkx, Ansible, a shell."""

from __future__ import annotations

import io
import json
from typing import Any

from playground.lab.exports.export_shapes import Export, cables
from playground.planning.plan import Plan


def networkx(plan: Plan) -> Export:
    """Return a graph as JSON: ``networkx.node_link_graph(json.load(file), edges="links")``."""
    nodes: list[dict[str, Any]] = [{"id": one.name, "kind": "switch"} for one in plan.switches]
    for node in plan.nodes:
        interfaces = {item.name: list(map(str, item.addresses)) for item in node.interfaces}
        nodes.append({"id": node.name, "kind": node.kind, "interfaces": interfaces})
    links = [
        {
            "source": cable.a,
            "target": cable.b,
            "key": number,
            "interfaces": [cable.a_interface, cable.b_interface],
            "mtu_bytes": cable.wire.mtu_bytes,
            "up": cable.wire.up,
        }
        for number, cable in enumerate(cables(plan))
    ]
    data = {"directed": False, "multigraph": True, "graph": {}, "nodes": nodes, "links": links}
    return Export(json.dumps(data, indent=1) + "\n")


def inventory(plan: Plan) -> Export:
    """Return an inventory of Ansible in YAML; nodes are reached as `playground ssh-config` says."""
    from ruamel.yaml import YAML

    groups: dict[str, Any] = {}
    for node in plan.nodes:
        addresses = [
            str(address.ip)
            for item in node.interfaces
            for address in item.addresses
            if not item.is_loopback
        ]
        said: dict[str, Any] = {"ansible_user": "root"}
        if addresses:
            said["lab_addresses"] = addresses
        if node.services:
            said["lab_services"] = sorted({one.service for one in node.services})
        group = groups.setdefault(f"{node.kind}s", {"hosts": {}})
        group["hosts"][node.name] = said
    out = io.StringIO()
    YAML().dump({"all": {"children": groups}}, out)
    return Export(out.getvalue())


def shell(plan: Plan) -> Export:
    """Return the script that makes the same network with plain namespaces."""
    return Export(plan.as_shell())
