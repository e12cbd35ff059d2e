"""Commands for who runs a Docker Swarm: the network between its machines, and a registry."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from playground.display.progress import make_progress
from playground.engines.swarm.engine import SwarmEngine
from playground.engines.swarm.registry import VARIABLE
from playground.engines.swarm.registry_service import NAME
from playground.engines.swarm.specs import NETWORK


def make_overlay(encrypted: bool, mtu: int | None, say: Callable[[str], None]) -> None:
    """Make the network between the machines anew, and say what it is."""
    with closing(SwarmEngine()) as engine:
        engine.remake_network(encrypted=encrypted, mtu=mtu)
    kind = "encrypted" if encrypted else "not encrypted"
    size = "packets as Docker has them" if mtu is None else f"packets of {mtu} bytes below"
    say(f"the network {NETWORK} is there: {kind}, {size}")


def start_registry(port: int, quiet: bool, say: Callable[[str], None]) -> None:
    """Have the swarm's own registry run, and say how labs find it."""
    with closing(SwarmEngine()) as engine:
        registry = engine.registry_service.start(port, make_progress(quiet))
    say(f"export {VARIABLE}={registry}")


def remove_registry(say: Callable[[str], None]) -> None:
    """Remove the swarm's own registry, but for its images."""
    with closing(SwarmEngine()) as engine:
        engine.registry_service.remove()
    say(f"the registry is gone; its images go with `docker volume rm {NAME}` on its machine")
