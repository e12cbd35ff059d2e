"""Virtual routers of a lab that starts: waited for until each address is somebody's."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from playground.errors import NotReady
from playground.operations.connection.client import Client
from playground.planning.plan import NodePlan, Plan

_PAUSE_S = 0.1
_LIMIT_S = 10.0


def wait_masters(
    agent: Client, plan: Plan, pids: Mapping[str, int], changed: Iterable[str], timeout_s: float
) -> None:
    """Wait until one router has each address that several share, of those that have changed.

    Raises `NotReady` after ``timeout_s`` seconds.

    """
    names = set(changed)
    waiting: dict[str, list[NodePlan]] = {}
    for node in plan.nodes:
        for one in node.virtual_routers:
            waiting.setdefault(str(one.address.ip), []).append(node)
    waiting = {
        address: nodes
        for address, nodes in waiting.items()
        if names.intersection(node.name for node in nodes)
    }
    deadline = time.monotonic() + timeout_s
    while waiting:
        waiting = {
            address: nodes
            for address, nodes in waiting.items()
            if not any(_has(agent, pids[node.name], address) for node in nodes)
        }
        if waiting and time.monotonic() > deadline:
            address, nodes = next(iter(waiting.items()))
            routers = " and ".join(node.name for node in nodes)
            raise NotReady(
                f"{routers} share the address {address}, and none of them has it after "
                f'{timeout_s:g} s: look at {nodes[0].name}.services["keepalived"].log()'
            )
        if waiting:
            time.sleep(_PAUSE_S)


def _has(agent: Client, pid: int, address: str) -> bool:
    process = agent.spawn(pid, ["ip", "-o", "address", "show", "to", address], limit_s=_LIMIT_S)
    stdout, _ = process.communicate(None, _LIMIT_S)
    return bool(stdout.strip())
