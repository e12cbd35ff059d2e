"""Labels of MPLS of a lab that starts: waited for until neighbours tell each other of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from playground.errors import NotReady
from playground.operations.connection.client import Client
from playground.operations.connection.frr_answers import said_by_frr
from playground.operations.connection.program_outputs import output_of
from playground.planning.broadcast_domains import find_domains
from playground.planning.plan import Plan

_PAUSE_S = 0.2
_LIMIT_S = 10.0


def wait_labels(agent: Client, plan: Plan, pids: Mapping[str, int], timeout_s: float) -> None:
    """Wait until all that switch by labels on one network have told each other of theirs.

    Raises `NotReady` after ``timeout_s`` seconds.

    """
    waiting = list(neighbours(plan))
    deadline = time.monotonic() + timeout_s
    while waiting:
        heard = {
            name: operational(_said(agent, pids[name], name))
            for name in dict.fromkeys(name for name, _, _ in waiting)
        }
        waiting = [one for one in waiting if one[2] not in heard[one[0]]]
        if waiting and time.monotonic() > deadline:
            name, other, address = waiting[0]
            raise NotReady(
                f"{name} has not told {other} ({address}) of its labels within {timeout_s:g} s: "
                f'look at {name}.vtysh("show mpls ldp neighbor") and '
                f'{name}.services["ldp"].log()'
            )
        if waiting:
            time.sleep(_PAUSE_S)


def neighbours(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Yield routers on one network that switch by labels there: both names, the other's address."""
    taking = {(node.name, name) for node in plan.nodes for name in node.labelled}
    if not taking:
        return
    known = {
        node.name: str(item.ip)
        for node in plan.nodes
        if node.labelled
        for interface in node.interfaces
        if interface.is_loopback
        for item in reversed(interface.addresses)
        if item.version == 4
    }
    wires = [wire for wire in plan.wires if wire.up]
    for domain in find_domains(plan, wires):
        members = [member for member in domain if member in taking]
        for name, _ in members:
            for other, _ in members:
                if other != name:
                    yield name, other, known[other]


def operational(said: str) -> set[str]:
    """Return the neighbours that ldpd has told of its labels, by the JSON text that it gives.

    >>> operational('{"neighbors": [{"neighborId": "10.10.10.2", "state": "OPERATIONAL"}]}')
    {'10.10.10.2'}

    """
    # One that has just begun says nothing yet.
    return said_by_frr(said, _operational) or set()


def _operational(said: Sequence[Any]) -> set[str]:
    return {
        row["neighborId"]
        for row in said[0].get("neighbors", [])
        if row.get("state") == "OPERATIONAL"
    }


def _said(agent: Client, pid: int, name: str) -> str:
    argv = ["vtysh", "-c", "show mpls ldp neighbor json"]
    process = agent.spawn(pid, argv, limit_s=_LIMIT_S)
    said = output_of(process, f"vtysh(1) on {name}", _LIMIT_S, "is it that of the image?")
    return said.decode(errors="replace")
