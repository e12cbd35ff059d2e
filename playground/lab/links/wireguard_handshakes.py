"""Waiting until both ends of each tunnel of WireGuard know each other.

Nothing passes before a handshake, and one that is lost because the other end had no keys yet is
tried again only after 5 s (REKEY_TIMEOUT of the protocol).  So the end that can reach the other
is told its settings anew, and begins another at once.

"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from playground.errors import NotReady
from playground.model.kernel.tunnels import KEEPALIVE_S
from playground.model.services.links.wireguard import WIREGUARD_FILES
from playground.operations.connection.client import Client
from playground.operations.connection.program_outputs import output_of
from playground.planning.difference import NodeChange
from playground.planning.links.wireguard import wireguard_interfaces
from playground.planning.plan import Plan
from playground.planning.plan_parts import InterfacePlan

# Between two looks, and before another handshake is begun.
_PAUSE_S = 0.1
_AGAIN_S = 1.0
_LIMIT_S = 30.0


def wait_for_handshakes(
    agent: Client,
    pids: Mapping[str, int],
    plan: Plan,
    changes: Iterable[NodeChange],
    timeout_s: float,
) -> None:
    """Wait for the tunnels that a change brings; without any, return at once.

    Raises `NotReady` with those that have had no handshake after ``timeout_s`` seconds.

    """
    new = {(change.node, item.name) for change in changes for item in change.interfaces}
    waiting = [
        (node.name, item)
        for node in plan.nodes
        for item in wireguard_interfaces(node)
        # The one that can reach the other begins, or either of two.
        if (node.name, item.name) in new and _begins(item)
    ]
    began, told = time.monotonic(), 0.0
    while waiting := [one for one in waiting if not _has_met(agent, pids, *one)]:
        now = time.monotonic()
        if now - began > timeout_s:
            ends = ", ".join(f"{name}'s {item.name}" for name, item in waiting)
            raise NotReady(
                f"no handshake of WireGuard within {timeout_s:g} s on {ends}: look at `wg show` "
                f"and /var/log/wireguard.log there, and whether anything on the way drops UDP"
            )
        if now - told > _AGAIN_S:
            told = now
            for name, item in waiting:
                _begin(agent, pids, name, item)
        time.sleep(_PAUSE_S)


def _begins(item: InterfacePlan) -> bool:
    return item.tunnel is not None and item.tunnel.remote is not None


def _has_met(agent: Client, pids: Mapping[str, int], name: str, item: InterfacePlan) -> bool:
    words = _run(agent, pids, name, ["wg", "show", item.name, "latest-handshakes"]).split()
    return len(words) == 2 and words[1] != "0"


def _begin(agent: Client, pids: Mapping[str, int], name: str, item: InterfacePlan) -> None:
    """Forget the last try, and say a word to the other end."""
    assert item.tunnel is not None
    after = KEEPALIVE_S if item.tunnel.keepalive else 0
    script = f"""
        wg setconf {item.name} {WIREGUARD_FILES}/{item.name}.conf || exit
        peer=$(wg show {item.name} peers)
        wg set {item.name} peer "$peer" persistent-keepalive 1
        wg set {item.name} peer "$peer" persistent-keepalive {after}
    """
    _run(agent, pids, name, ["sh", "-c", script])


def _run(agent: Client, pids: Mapping[str, int], name: str, argv: list[str]) -> str:
    process = agent.spawn(pids[name], argv, user="0")
    out = output_of(process, f"wg(8) on {name}", _LIMIT_S, "is it that of the image?")
    return out.decode(errors="replace")
