"""Virtual routers of a lab that starts: waited for until each address is somebody's."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from playground.errors import NotReady
from playground.operations.connection.client import Client
from playground.operations.connection.program_outputs import output_of
from playground.planning.broadcast_domains import find_domains
from playground.planning.plan import Plan

_PAUSE_S = 0.1
_LIMIT_S = 10.0


def wait_masters(
    agent: Client, plan: Plan, pids: Mapping[str, int], changed: Iterable[str], timeout_s: float
) -> None:
    """Wait until one router has each address that several share, of those that have changed.

    Raises `NotReady` after ``timeout_s`` seconds.

    """
    names = set(changed)
    waiting = [group for group in _groups(plan) if names.intersection(group[1])]
    deadline = time.monotonic() + timeout_s
    while waiting:
        waiting = [
            (address, routers)
            for address, routers in waiting
            if not any(_has(agent, pids, name, address) for name in routers)
        ]
        if waiting and time.monotonic() > deadline:
            address, routers = waiting[0]
            raise NotReady(
                f"{' and '.join(routers)} share the address {address}, and none of them has it "
                f'after {timeout_s:g} s: look at {routers[0]}.services["keepalived"].log()'
            )
        if waiting:
            time.sleep(_PAUSE_S)


def _groups(plan: Plan) -> list[tuple[str, list[str]]]:
    """Return each shared address with its routers; two networks may have one of the same number."""
    network = {member: number for number, one in enumerate(find_domains(plan)) for member in one}
    found: dict[tuple[object, str], list[str]] = {}
    for node in plan.nodes:
        for one in node.virtual_routers:
            place = node.name, one.interface
            key = network.get(place, place), str(one.address.ip)
            found.setdefault(key, []).append(node.name)
    return [(address, routers) for (_, address), routers in found.items()]


def _has(agent: Client, pids: Mapping[str, int], name: str, address: str) -> bool:
    argv = ["ip", "-o", "address", "show", "to", address]
    process = agent.spawn(pids[name], argv, limit_s=_LIMIT_S)
    out = output_of(process, f"ip(8) on {name}", _LIMIT_S, "is it that of the image?")
    return bool(out.strip())
