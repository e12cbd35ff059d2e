"""Power of a node: taken from it, and given again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, overload

from playground.errors import BadArgument, NotRunning
from playground.model.arguments import is_number, shown
from playground.operations.connection import commands
from playground.operations.connection.handles import Node

if TYPE_CHECKING:
    from playground.operations.connection.handles import LiveNode

# As long as `docker stop` waits by default.
GRACE_S = 10.0
_MOST_S = 600.0


class PoweredNode(Node, Protocol):
    """A node with the handle that it has while its lab runs, whether it is stopped or not."""

    _live: LiveNode | None


def start_words(name: str) -> str:
    """Return how somebody starts a node of this name that is stopped.

    >>> start_words("www.example.com")
    'lab["www.example.com"].start()'

    """
    return f'lab["{name}"].start()'


@overload
def start(
    node: PoweredNode,
    command: commands.Command,
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: str | None = None,
) -> commands.Job: ...


@overload
def start(node: PoweredNode) -> None: ...


def start(
    node: PoweredNode,
    command: commands.Command | None = None,
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: str | None = None,
) -> commands.Job | None:
    """Start a command that goes on, and return its `Job`; without one, start a stopped node.

    The command runs when this returns.  ``job.stdout`` and ``job.stderr``
    give lines as they come::

        with www.start("tail -f /var/log/nginx/access.log") as log:
            h1.run("curl -s http://www.example.com/")
            print(log.stdout.readline())

    The end of the ``with`` block ends the command; without a block,
    ``job.stop()`` or the end of the lab does.  Raises `CommandFailed` when
    a command given as a list is not there.

    Without a command the node is started: its interfaces come up with the addresses, routes and
    rules that were declared, its services and programs start anew, and all of them answer when
    this returns.  Where a service does not, it raises `NotReady` and the node stays stopped.  A
    node that runs already is left alone.

    """
    if command is not None:
        return commands.start(node, command, env=env, cwd=cwd, user=user)
    if (env, cwd, user) != (None, None, None):
        raise BadArgument(
            f"{node.name}.start() without a command starts the node, which takes no env, cwd or "
            f"user: name the command first, as in start('tcpdump -i eth0')"
        )
    live = _there(node)
    if live.stopped:
        live.lab.start_node(node.name)
    return None


def stop(node: PoweredNode, *, grace_s: float = GRACE_S) -> None:
    """Stop this node as if it were switched off: all that runs on it ends, its links go down.

    Programs are told to end (SIGTERM), and killed after ``grace_s`` seconds, 0 to 600.  Neighbours
    see their cable dead.  What the node's kernel knew is gone: addresses, routes, connections,
    rules that somebody typed.  Its files stay, and so do its links, the addresses that were
    declared for it, and all other nodes.  `start` brings it back, and `is_running` tells.  To stop
    a node that is stopped does nothing.

    Raises `NotRunning` where its lab does not run, and `EngineError` where something on it cannot
    be ended; it then runs on.

    >>> r2.stop()
    >>> h1.ping(www)
    Ping(sent=3, received=0, rtt_ms=None)
    >>> r2.start()

    """
    # Source: signal(7); docker-stop(1) for the grace.
    if not is_number(grace_s, 0, _MOST_S):
        raise BadArgument(
            f"grace_s={shown(grace_s)} is no number of seconds from 0 to {_MOST_S:g}; write for "
            "example grace_s=5"
        )
    live = _there(node)
    if not live.stopped:
        live.lab.stop_node(node.name, grace_s)


def restart(node: PoweredNode, *, grace_s: float = GRACE_S) -> float:
    """Stop this node, start it again, and return how many seconds that took.

    Takes and raises what `stop` and `start` do.

    >>> www.restart()
    0.9

    """
    began = time.monotonic()
    stop(node, grace_s=grace_s)
    start(node)
    return time.monotonic() - began


def _there(node: PoweredNode) -> LiveNode:
    live = node._live
    if live is None:
        raise NotRunning(
            f"{node.name} is in no lab that runs: start its lab first, with lab.start()"
        )
    return live
