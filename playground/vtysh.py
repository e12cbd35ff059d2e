"""FRR's own terminal: `vtysh` on a router that has routing daemons."""

from __future__ import annotations

from playground.commands import run
from playground.errors import BadArgument, CommandFailed
from playground.live import Node

_DAEMONS = ("ospf", "ospf6", "rip", "ripng", "bgp")

# Of a command that the daemon does not know, or understands only half.
_COMPLAINTS = ("% Unknown command", "% Ambiguous command", "% Command incomplete")


def vtysh(node: Node, commands: tuple[str, ...]) -> str:
    """Give commands to vtysh(1) in one session; see `NodeOperations.vtysh`."""
    if not commands or not all(isinstance(command, str) for command in commands):
        raise BadArgument(
            f'vtysh takes commands of FRR as text, such as "show ip route", not {commands!r}'
        )
    daemons = [name for name in _DAEMONS if name in node.running().services]
    if not daemons:
        raise BadArgument(
            f"{node.name} has no routing daemon to speak to: declare it with "
            f'routing="ospf", "rip" or "bgp", or with such a service'
        )
    argv = ["vtysh"]
    for command in commands:
        for line in command.splitlines():
            argv += ["-c", line]
    result = run(node, argv, check=False)
    if result.returncode or any(words in result.stdout for words in _COMPLAINTS):
        raise CommandFailed(f"vtysh of {node.name} refused {commands!r}", result)
    return result.stdout
