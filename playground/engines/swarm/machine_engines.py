"""Engines of the machines of a swarm, each asked by itself: where they are.

A swarm's manager starts services anywhere, but takes no image to another machine.  Where no
registry does, ``PLAYGROUND_MACHINES`` says how each machine's engine is reached, with
``{name}`` or ``{address}`` in its place: "ssh://root@{address}".  Whoever reaches the manager by
ssh reaches the other machines likewise, if nothing else is said.

"""

from __future__ import annotations

import os
import string
import urllib.parse

from playground.engines.swarm.manager import SwarmNode
from playground.errors import EngineError

VARIABLE = "PLAYGROUND_MACHINES"

_SCHEMES = ("ssh://", "tcp://", "unix://")
_PLACES = frozenset({"name", "address"})


def way_to_machines(manager_url: str | None) -> str | None:
    """Return how each machine's engine is reached; None: nobody said, nor is it plain.

    Raises `EngineError` for what can be no way to several machines.

    """
    said = os.environ.get(VARIABLE) or None
    if said is not None:
        refuse_way(said)
        return said
    return way_like(manager_url or os.environ.get("DOCKER_HOST", ""))


def way_like(manager_url: str) -> str | None:
    """Return the way to machines that are reached as their manager is, by ssh.

    >>> way_like("ssh://root@manager:2222")
    'ssh://root@{address}:2222'
    >>> way_like("unix:///var/run/docker.sock")

    """
    parts = urllib.parse.urlsplit(manager_url)
    if parts.scheme != "ssh":
        return None
    user, at, host = parts.netloc.rpartition("@")
    _, colon, port = host.rpartition(":") if not host.endswith("]") else ("", "", "")
    return f"ssh://{user}{at}{{address}}{colon}{port if colon else ''}"


def refuse_way(said: str) -> None:
    """Raise `EngineError` for a way that leads nowhere, or to one machine only."""
    example = f"{VARIABLE}=ssh://root@{{address}}"
    try:
        places = {name for _, name, _, _ in string.Formatter().parse(said) if name is not None}
    except ValueError:
        places = {""}
    if not said.startswith(_SCHEMES):
        raise EngineError(
            f"{VARIABLE}={said} is no way to an engine: it begins with ssh://, tcp:// or unix://, "
            f"as in {example}"
        )
    if not places or not places <= _PLACES:
        raise EngineError(
            f"{VARIABLE}={said} has to lead to each machine: write {{address}} or {{name}} where "
            f"they differ, as in {example}"
        )


def engine_url(way: str, machine: SwarmNode) -> str:
    """Return where a machine's engine is."""
    address = f"[{machine.address}]" if ":" in machine.address else machine.address
    return way.format(name=machine.name, address=address)
