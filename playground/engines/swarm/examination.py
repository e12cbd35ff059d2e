"""An examination of a swarm: what its manager, its registry and its machines say, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from playground.display.progress import Silent
from playground.engines.images import helper_image
from playground.engines.seam import LAB
from playground.engines.swarm.machine_engines import way_to_machines
from playground.engines.swarm.machine_images import MachineImages
from playground.engines.swarm.manager import Manager, SwarmNode
from playground.engines.swarm.registry import registry_of_environment
from playground.engines.swarm.servers import MachineService
from playground.engines.swarm.specs import HELPER, ROLE, SERVER, labels_of, server_name
from playground.errors import EngineError, ImageError


@dataclass(frozen=True)
class SeenFrom:
    """What the server on one machine sees: times to the others in ms by their names, None: never.

    ``full_ms`` are those of packets as large as ``mtu_bytes``, the MTU of the network between the
    servers.  ``error`` says why there is nothing of all this.

    """

    machine: str
    mtu_bytes: int = 0
    ipsec: bool = True
    clock_s: float = 0.0
    small_ms: Mapping[str, float | None] | None = None
    full_ms: Mapping[str, float | None] | None = None
    error: str = ""


@dataclass(frozen=True)
class Examination:
    """All that was looked at.  ``unseen`` says why the machines have not looked at each other."""

    engine_version: str
    machines: tuple[SwarmNode, ...]
    registry: str | None = None
    registry_error: str = ""
    # How the machines' engines are reached, where no registry is named.
    way: str | None = None
    encrypted: bool = False
    seen: tuple[SeenFrom, ...] = ()
    unseen: str = ""
    # Services of servers of other versions of playground, which no lab needs now.
    idle: tuple[str, ...] = ()


def examine(manager: Manager, images: MachineImages, service: MachineService) -> Examination:
    """Look at a swarm, its registry, and the network between its machines.

    The servers on the machines are started where they are missing and the machines can get their
    image; else the machines do not look at each other.

    """
    described = manager.server.describe()["version"]
    registry = registry_of_environment()
    helper = helper_image().tag
    found = Examination(
        str(described.get("Version", "?")),
        tuple(manager.machines()),
        registry=registry,
        way=None if registry else way_to_machines(manager.server.url),
    )
    try:
        there = images.are_there(helper)
    except EngineError as error:
        return replace(found, registry_error=str(error), unseen="no registry answers")
    if not there:
        return replace(found, unseen="the machines have no image of playground yet")
    try:
        images.spread((), Silent())
    except ImageError as error:
        return replace(found, unseen=str(error))
    network = service.network() or {}
    encrypted = "encrypted" in (network.get("Options") or {})
    name = images.name_of(helper)
    rows = service.examine(name)
    with manager.server.errors("looking for servers of other versions"):
        servers = manager.services(f"{ROLE}={SERVER}")
        idle = idle_servers(servers, manager.services(LAB), server_name(name))
    return replace(found, encrypted=encrypted, seen=read_seen(rows), idle=idle)


def idle_servers(
    servers: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]], own: str
) -> tuple[str, ...]:
    """Return the services of ``servers`` that no lab was started by, but our ``own``.

    ``nodes`` are the services of all labs' nodes.  Where one does not tell its servers, as in
    early versions, all may be needed.

    """
    helpers = {labels_of(node).get(HELPER) for node in nodes}
    if None in helpers:
        return ()
    used = {server_name(helper) for helper in helpers if helper}
    names = {str(one["Spec"]["Name"]) for one in servers}
    return tuple(sorted(names - used - {own}))


def without_ipsec(seen: Sequence[SeenFrom]) -> list[str]:
    """Return the machines that cannot encrypt."""
    return [one.machine for one in seen if not one.error and not one.ipsec]


def read_seen(rows: Sequence[Mapping[str, Any]]) -> tuple[SeenFrom, ...]:
    """Return what servers have said, with names in place of addresses."""
    names = {row["address"]: str(row["name"]) for row in rows}
    found = []
    for row in sorted(rows, key=lambda row: str(row["name"])):
        if "error" in row:
            found.append(SeenFrom(str(row["name"]), error=str(row["error"])))
            continue
        small, full = (
            {names.get(address, address): times[kind] for address, times in row["reached"].items()}
            for kind in ("small_ms", "full_ms")
        )
        found.append(
            SeenFrom(str(row["name"]), row["mtu_bytes"], row["ipsec"], row["clock_s"], small, full)
        )
    return tuple(found)
