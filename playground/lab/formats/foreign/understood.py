"""How far a reader of another tool's files declares what scripts say, and what it leaves to them.

Whoever wrote a lab for another tool may have broken it on purpose.  What the model refuses is
left to the script then, which does what it says, or fails in its log as it would there.

"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import IntEnum
from ipaddress import ip_address, ip_interface
from typing import Any

from playground.lab.declarations.shapes import Call, NodeName
from playground.lab.formats.foreign.startup_script import ScriptLine, ScriptRoute
from playground.operations.programs.script_failures import SCRIPT

DONE = "/hostlab/done"

# One that goes on for longer is a server, which nobody waits for.
_WAIT_TENTHS = 100


class Declaring(IntEnum):
    """How much of a script is declared: nothing, addresses, or addresses and routes."""

    NOTHING = 0
    ADDRESSES = 1
    ROUTES = 2


def declared_addresses(addresses: Mapping[str, list[str]], how: Declaring) -> dict[str, list[str]]:
    """Return the addresses of each interface that are declared, each once."""
    if how < Declaring.ADDRESSES:
        return {}
    return {interface: [*dict.fromkeys(several)] for interface, several in addresses.items()}


def declared_routes(
    routes: list[ScriptRoute], addresses: Mapping[str, list[str]], how: Declaring
) -> tuple[list[ScriptRoute], list[ScriptLine]]:
    """Return the routes to be declared, and the lines of those left to the script.

    A route is declared if its gateway is in a network of an address that is, at the interface
    that the route names if it names one.

    """
    networks = [
        (interface, ip_interface(one).network)
        for interface, several in addresses.items()
        for one in several
    ]
    found: list[ScriptRoute] = []
    left: list[ScriptLine] = []
    for route in routes:
        near = any(
            ip_address(route.via) in network and route.interface in (None, interface)
            for interface, network in networks
        )
        known = any(route.destination == other.destination for other in found)
        if how >= Declaring.ROUTES and near and not known:
            found.append(route)
        elif route.line.text:
            left.append(route.line)
    return found, left


def impair_toward(said: Call | None, other: str) -> tuple[Call, ...]:
    """Return the calls of a link that impair what leaves an interface for the other end."""
    if said is None:
        return ()
    return (replace(said, arguments={**said.arguments, "toward": NodeName(other)}),)


def script_arguments(shell: str = "bash") -> dict[str, Any]:
    """Return the arguments of a host that runs the script among its ``files``.

    It is run to its end, whatever fails in it.  The host is well when it has ended, or went on
    for 10 s, so that a lab waits for it.

    """
    wait = (
        f"while kill -0 $! 2>/dev/null && [ $n -lt {_WAIT_TENTHS} ]; do sleep 0.1; n=$((n+1)); done"
    )
    line = f"{shell} {SCRIPT} & n=0; {wait}; touch {DONE}; wait; exec sleep infinity"
    return {"command": ["sh", "-c", line], "healthcheck": f"test -e {DONE}"}
