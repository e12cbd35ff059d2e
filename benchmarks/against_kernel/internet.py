"""Measure the miniature Internet, and labs on Docker against the bare containers below them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import bare
import on_docker

from against_kernel.measured import Measured, Say
from playground.examples import miniature_internet

# Only where a Docker engine is measured.
if TYPE_CHECKING:
    import docker


def embedded(runs: int, say: Say) -> list[Measured]:
    """Measure how soon every service answers on the namespaces engine."""
    say("the miniature Internet")
    return [Measured(bare.internet(runs))]


def of_containers(client: docker.APIClient, runs: int, say: Say) -> list[Measured]:
    """Measure the same on Docker against its bare containers, of the same images."""
    say("the miniature Internet on Docker")
    name = f"bench-internet-{os.getpid()}"
    up, _, bare_up, _ = on_docker.up_and_down(
        client, lambda: miniature_internet(quiet=True, name=name, engine="docker"), runs, say
    )
    return [Measured(up, bare_up)]


def plain_containers(client: docker.APIClient, count: int, runs: int, say: Say) -> list[Measured]:
    """Measure plain hosts on Docker against as many bare containers: up, and down."""
    say(f"{count} plain hosts on Docker")
    up, down, bare_up, bare_down = on_docker.up_and_down(
        client, lambda: on_docker.star(count), runs, say
    )
    return [Measured(up, bare_up), Measured(down, bare_down)]
