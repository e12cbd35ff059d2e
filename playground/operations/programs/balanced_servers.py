"""The servers behind a load balancer: how an haproxy that runs on a node sees them."""

from __future__ import annotations

import contextlib
import csv
import io
import re
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

# Its section 9.1, "CSV format": counters have 64 bits, and one that there is not is empty.
_SUMS = ("FRONTEND", "BACKEND")
_TEXTS = ("svname", "status", "check_status")
_NUMBERS = ("scur", "stot", "bin", "bout")
_NUMBER = re.compile(r"[0-9]{0,20}")


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
    """Yield the servers in what "show stat" prints: lines of commas, the first with "# " names.

    What is no line of haproxy's is left out: who runs it may have put another in its place.

    """
    with contextlib.suppress(csv.Error):  # what comes behind is none of its lines either
        for row in csv.DictReader(io.StringIO(text.removeprefix("# "))):
            # A line that is too short has None in its place.
            place, status, check = (row.get(key) for key in _TEXTS)
            numbers = [row.get(key) for key in _NUMBERS]
            if place is None or status is None or check is None or place in _SUMS:
                continue
            if any(number is None or not _NUMBER.fullmatch(number) for number in numbers):
                continue
            name, _, port = place.rpartition("_")
            counts = (int(number or 0) for number in numbers)
            yield BalancedServer(f"{name}:{port}", status, check.lstrip("* "), *counts)
