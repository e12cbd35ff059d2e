"""Commands for who runs a Docker Swarm: the network between its machines, and a registry."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from playground.engines.swarm.engine import SwarmEngine
from playground.engines.swarm.specs import NETWORK


def make_overlay(encrypted: bool, mtu: int | None, say: Callable[[str], None]) -> None:
    """Make the network between the machines anew, and say what it is."""
    with closing(SwarmEngine()) as engine:
        engine.remake_network(encrypted=encrypted, mtu=mtu)
    kind = "encrypted" if encrypted else "not encrypted"
    size = "packets as Docker has them" if mtu is None else f"packets of {mtu} bytes below"
    say(f"the network {NETWORK} is there: {kind}, {size}")
