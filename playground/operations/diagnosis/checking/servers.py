"""Checks of ports on which programs listen."""

from __future__ import annotations

from playground.errors import BadArgument, CheckFailed
from playground.model.arguments import is_choice, is_port, shown
from playground.operations.connection.handles import Node
from playground.operations.diagnosis.checking.looking import WITHIN_S, Checking, wait


def listens(
    checks: Checking,
    node: Node | str,
    port: int,
    protocol: str = "tcp",
    *,
    within_s: float = WITHIN_S,
) -> None:
    """Check that a program of a node listens on a port, "tcp" or "udp", at whatever address.

    That it answers is another matter: `serves` asks it.

    >>> lab.check.listens(www, 80)

    """
    if not _listens(checks, node, port, protocol, True, within_s):
        name = checks._machine(node).name
        raise CheckFailed(
            f"{name} should listen on {protocol} port {port}, and does not: {_ports(checks, node)}."
        )


def does_not_listen(
    checks: Checking,
    node: Node | str,
    port: int,
    protocol: str = "tcp",
    *,
    within_s: float = WITHIN_S,
) -> None:
    """Check that no program of a node listens on a port: a service that should be off, say.

    >>> lab.check.does_not_listen(www, 23)

    """
    if _listens(checks, node, port, protocol, False, within_s):
        name = checks._machine(node).name
        raise CheckFailed(f"{name} should not listen on {protocol} port {port}, and does.")


def _listens(
    checks: Checking, node: Node | str, port: int, protocol: str, wanted: bool, within_s: float
) -> bool:
    if not is_port(port) or not is_choice(protocol, ("tcp", "udp")):
        raise BadArgument(
            f'{shown(protocol)} {shown(port)} is no port; write for example listens(ns, 53, "udp")'
        )
    machine = checks._machine(node)

    def look() -> bool:
        live = machine.running()
        asked = {"pid": live.pid, "ports": [[protocol, port]]}
        [row] = live.agent.call("listening", nodes=[asked])
        return bool(row and row[0])

    return wait(look, lambda found: found == wanted, within_s)


def _ports(checks: Checking, node: Node | str) -> str:
    sockets = checks._lab.state()[checks._machine(node).name].sockets
    there = sorted({f"{one.protocol} {one.port}" for one in sockets})
    return f"it listens on {', '.join(there)}" if there else "it listens on none"
