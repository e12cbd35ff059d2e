"""The servers behind a load balancer: how an haproxy that runs on a node sees them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from playground.display.tables import Table
from playground.errors import BadArgument
from playground.model.arguments import is_choice, shown
from playground.model.records import dataclass
from playground.operations.connection.commands import run
from playground.operations.connection.handles import Node

_SOCKET = "/run/haproxy.sock"

# haproxy's Management Guide, "set server": what is asked for, in its words.
STATES = ("ready", "drain", "maint")


@dataclass(frozen=True)
class BalancedServer:
    """One server behind a load balancer.

    ``status`` is haproxy's: "UP", "DOWN", "DRAIN", "MAINT", "no check", or on the way to another,
    as "UP 1/2".  ``check`` says what the last check found, such as "L7OK" or "L4CON",
    ``sessions`` are those open now, ``total`` all so far.

    """

    name: str
    status: str
    check: str
    sessions: int
    total: int
    bytes_in: int
    bytes_out: int


def read_servers(node: Node) -> Table[BalancedServer]:
    """Return a row for each server, in the order declared."""
    return Table(servers(_ask(node, "show stat")))


def set_state(node: Node, server: str, state: str) -> None:
    """Let a server take part ("ready"), get nothing new ("drain"), or nothing at all ("maint")."""
    known = [row.name for row in read_servers(node)]
    if not is_choice(server, known):
        raise BadArgument(
            f"{shown(server)} is no server of this balancer; it has {', '.join(known)}"
        )
    if not is_choice(state, STATES):
        raise BadArgument(f"state={shown(state)} is not known; use one of {', '.join(STATES)}")
    _ask(node, f"set server servers/{server.replace(':', '_')} state {state}")


def _ask(node: Node, command: str) -> str:
    words = ["socat", "-t5", "-", f"UNIX-CONNECT:{_SOCKET}"]
    return run(node, words, input=f"{command}\n", user="0").stdout


def servers(text: str) -> Iterator[BalancedServer]:
    """Yield the servers in what "show stat" prints: lines of commas, the first with "# " names."""
    for row in csv.DictReader(io.StringIO(text.removeprefix("# "))):
        if row.get("svname") in (None, "FRONTEND", "BACKEND"):
            continue
        name, _, port = row["svname"].rpartition("_")
        yield BalancedServer(
            f"{name}:{port}",
            row["status"],
            row["check_status"].lstrip("* "),
            int(row["scur"] or 0),
            int(row["stot"] or 0),
            int(row["bin"] or 0),
            int(row["bout"] or 0),
        )
