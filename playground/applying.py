"""Applying changes: plans turned into the agent's requests, and sent.

Each function takes a line to the agent, the process id of every node's first
process, and what to do; none keeps anything.  All ids are of the agent's own
pid namespace.

"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from playground.changes import Changes, NodeChange
from playground.operations import Agent
from playground.plan import Plan, RoutePlan, WireEnd, WirePlan
from playground.provision import NodeProvision

Pids = Mapping[str, int]


def wire(agent: Agent, pids: Pids, plan: Plan, change: Changes) -> None:
    """Make the bridges and veth pairs that `change` adds.

    All or nothing: what a failing request made is gone when the error comes.

    """
    if change.bridges_add or change.wires_add:
        agent.call(
            "wire",
            bridges=[{"device": device} for device in change.bridges_add],
            veths=[_veth(pair, pids, plan) for pair in change.wires_add],
        )


def unwire(agent: Agent, pids: Pids, plan: Plan, change: Changes) -> None:
    """Remove again the bridges and veth pairs that `change` adds.

    What is gone already, with a node that has died for instance, is passed over.

    """
    agent.call(
        "unwire",
        bridges=[{"device": device} for device in change.bridges_add],
        veths=[
            _end(end, pids, plan)
            for pair in change.wires_add
            for end in (pair.a, pair.b)
            if end.node in pids or _is_switch(end, plan)
        ],
    )


def configure(agent: Agent, pids: Pids, inside: Iterable[NodeChange]) -> None:
    """Set addresses, routes, sysctls and rules inside the nodes."""
    changing = [change for change in inside if change.node in pids]
    if changing:
        agent.call("network", nodes=[_network(change, pids) for change in changing])
    rules = [change for change in changing if change.ruleset is not None]
    if rules:
        agent.call(
            "firewall",
            nodes=[{"pid": pids[change.node], "ruleset": change.ruleset} for change in rules],
        )


def furnish(
    agent: Agent,
    pids: Pids,
    wanted: Mapping[str, NodeProvision],
    present: Mapping[str, NodeProvision],
) -> None:
    """Write the files and accounts that `wanted` has and `present` has not."""
    files = {
        name: [item for item in node.files if item not in _files(present.get(name))]
        for name, node in wanted.items()
    }
    if any(files.values()):
        agent.call(
            "files",
            nodes=[
                {
                    "pid": pids[name],
                    "files": [
                        {
                            "path": item.path,
                            "content": base64.b64encode(item.content).decode(),
                            "mode": item.mode,
                            "uid": item.uid,
                            "gid": item.gid,
                            "append": item.append,
                        }
                        for item in items
                    ],
                }
                for name, items in files.items()
                if items
            ],
        )


def _files(node: NodeProvision | None) -> frozenset[Any]:
    return frozenset(node.files) if node else frozenset()


def _is_switch(end: WireEnd, plan: Plan) -> bool:
    return any(end.node == switch.name for switch in plan.switches)


def _veth(pair: WirePlan, pids: Pids, plan: Plan) -> dict[str, Any]:
    return {
        "a": _end(pair.a, pids, plan),
        "b": _end(pair.b, pids, plan),
        "mtu_bytes": pair.mtu_bytes,
        "offload": pair.offload,
    }


def _end(end: WireEnd, pids: Pids, plan: Plan) -> dict[str, Any]:
    for switch in plan.switches:
        if switch.name == end.node:
            return {
                "pid": None,
                "interface": end.interface,
                "mac": None,
                "bridge": switch.device,
            }
    interfaces = plan.node(end.node).interfaces
    mac = next(item.mac for item in interfaces if item.name == end.interface)
    return {"pid": pids[end.node], "interface": end.interface, "mac": mac, "bridge": None}


def _network(change: NodeChange, pids: Pids) -> dict[str, Any]:
    return {
        "pid": pids[change.node],
        "interfaces": [
            {"name": item.name, "addresses": [str(address) for address in item.addresses]}
            for item in change.interfaces
        ],
        "sysctls": dict(change.sysctls),
        "routes_add": [_route(route) for route in change.routes_add],
        "routes_remove": [_route(route) for route in change.routes_remove],
    }


def _route(route: RoutePlan) -> dict[str, str | None]:
    return {
        "destination": str(route.destination),
        "via": str(route.via) if route.via is not None else None,
        "interface": route.interface,
    }
