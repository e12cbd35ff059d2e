"""FRR's own terminal: `vtysh` on a router that has routing daemons."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from playground.errors import BadArgument, CommandFailed
from playground.model.services.frr import FRR_TERMINALS, ROUTING
from playground.model.services.frr_daemon_of_line import lines_needing
from playground.operations.connection.command_results import Result
from playground.operations.connection.commands import run_shown
from playground.operations.connection.frr_answers import said_by_frr
from playground.operations.connection.handles import LiveNode, Node

T = TypeVar("T")

# Of a command that the daemon does not know, or understands only half.
_COMPLAINTS = ("% Unknown command", "% Ambiguous command", "% Command incomplete")

# How long mgmtd and staticd, which start last, are waited for.
_LATE_S = 5.0

# mgmtd says this for a moment, while it still hands on the settings of an earlier session.
_BUSY = "could not lock running DS"
_BUSY_S = 5.0
_PAUSE_S = 0.1


def vtysh(node: Node, *commands: str) -> str:
    """Give commands to FRR's terminal, in one session, and return what it says.

    ::

        print(r1.vtysh("show ip ospf neighbor"))
        r1.vtysh("configure terminal", "interface eth1", "ip ospf cost 100")

    What is changed so lasts as long as the lab; ``ip route`` and what else is zebra's or
    staticd's too.  Raises `CommandFailed` with the line that FRR refused, and carries out
    none after it.  Raises `BadArgument` on a node without routing daemons, and, before
    anything is done, for a line whose daemon does not run on the node.

    """
    if not commands or not all(isinstance(command, str) for command in commands):
        raise BadArgument(
            f'vtysh takes commands of FRR as text, such as "show ip route", not {commands!r}'
        )
    live = node.running()
    if not any(name in ROUTING for name in live.services):
        raise BadArgument(
            f"{node.name} has no routing daemon to speak to: declare it with "
            f'routing="ospf", "isis", "rip" or "bgp", or with such a service'
        )
    lines = [line for command in commands for line in command.splitlines() if line.strip()]
    if lines and re.match(r"\s*conf", lines[0]):
        _refuse_idle(node, live, lines)
        _await_late(node, live)
    argv = ["vtysh", "-E"]
    for line in lines:
        argv += ["-c", line]
    shown = ["vtysh", *(word for line in lines for word in ("-c", line))]
    deadline = time.monotonic() + _BUSY_S
    # Settings that are told a second time are what they were after the first.
    while _BUSY in (result := run_shown(node, argv, shown, check=False)).stdout:
        if time.monotonic() > deadline:
            break
        time.sleep(_PAUSE_S)
    said, done = _without_echo(result.stdout, lines)
    if result.returncode or any(words in said for words in _COMPLAINTS):
        raise _failed(
            node, Result(result.args, result.returncode, said, result.stderr), lines, done
        )
    return said


def vtysh_read(node: Node, command: str, read: Callable[[Sequence[Any]], T]) -> T:
    """Give FRR's terminal a command that it answers with JSON, and return what is read of it.

    Raises `CommandFailed` where the answer is none of FRR's, and as `vtysh` does.

    """
    text = vtysh(node, command)
    found = said_by_frr(text, read)
    if found is None:
        raise CommandFailed(
            f"vtysh of {node.name} has answered {command!r} with something else than FRR does: "
            f"is it that of the image?",
            Result(("vtysh", "-c", command), 0, text, ""),
        )
    return found


def _refuse_idle(node: Node, live: LiveNode, lines: list[str]) -> None:
    """Refuse what vtysh takes, and no daemon that runs carries out."""
    for line in lines_needing("\n".join(lines)):
        if line.service not in live.services:
            program = next(iter(ROUTING[line.service].programs))
            raise BadArgument(
                f"vtysh: {line.text!r} would have no effect, for {program} does not run on "
                f'{node.name}; declare its service "{line.service}" too.  No line was told'
            )


def _await_late(node: Node, live: LiveNode) -> None:
    """Wait for those that keep the settings of zebra, unless somebody has stopped them."""
    checks = [
        {"pid": live.pid, "node": node.name, "service": "frr", "port": port, "expect": "."}
        for port in FRR_TERMINALS.values()
    ]
    live.agent.call("wait_ready", checks=checks, timeout_s=_LATE_S)


def _without_echo(stdout: str, lines: list[str]) -> tuple[str, int]:
    """Return what was said without the commands in it, and how many were begun.

    With -E, vtysh shows each before what is said to it, after its prompt.

    """
    said: list[str] = []
    done = 0
    for row in stdout.splitlines(keepends=True):
        if done < len(lines) and re.fullmatch(rf"\S*[#>] {re.escape(lines[done])}\s*", row):
            done += 1
        else:
            said.append(row)
    return "".join(said), done


def _failed(node: Node, result: Result, lines: list[str], done: int) -> CommandFailed:
    number = max(done, 1)
    where = f"line {number} of {len(lines)}, " if len(lines) > 1 else ""
    before = "; the lines before it were carried out" if number > 1 else ""
    return CommandFailed(
        f"vtysh of {node.name} refused {where}{lines[number - 1]!r}{before}", result
    )
