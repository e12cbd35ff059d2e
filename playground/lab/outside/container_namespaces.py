"""Network namespaces of containers: by a node, a name or a process id, and who may reach them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.engines.choice import RunningLabs
from playground.engines.namespaces.labels import find_nodes
from playground.engines.seam import Engine
from playground.errors import AgentError, BadArgument, NoSuchNode
from playground.lab.outside.machine_access import (
    DockerMachineAccess,
    LocalMachineAccess,
    MachineAccess,
)
from playground.model.arguments import shown
from playground.model.records import dataclass
from playground.operations.network import Host, Machine, Router

if TYPE_CHECKING:
    from playground.engines.docker.engine import DockerEngine

Container = str | int | Host | Router


@dataclass(frozen=True)
class OutsideNamespace:
    """A network namespace: of a process, as ``docker`` counts or else this machine.

    ``reaches_peers`` is whether its root may change every network that a link joins it
    to: a host on Docker, see SECURITY.md.

    """

    name: str
    handle: str | int
    pid: int
    docker: DockerEngine | None = None
    reaches_peers: bool = False


def find_place(container: Container) -> OutsideNamespace:
    named = isinstance(container, str) and container.isprintable() and 0 < len(container) < 256
    if not named and (isinstance(container, bool) or not isinstance(container, (int, Machine))):
        raise BadArgument(
            f"{shown(container)} is no container: give a host that runs, a name, or a process id"
        )
    if isinstance(container, int):
        return OutsideNamespace(f"process {container}", container, container)
    if isinstance(container, Machine):
        return find_host(container.running().lab.id, container.name)
    lab_name, slash, host = container.partition("/")
    if slash:
        return find_host(lab_name, host)
    if found := _docker_container(container):
        return found
    with closing(RunningLabs()) as labs:
        fitting = [
            (record, node)
            for record in labs.labs()
            for node in record.nodes
            if container in (node, node.partition(".")[0])
        ]
    # A neighbour's lab is not in the way: root sees those of all users.
    own = [pair for pair in fitting if pair[0].is_own]
    records = [(record.id, node) for record, node in own or fitting]
    if len(records) == 1:
        return find_host(*records[0])
    if records:
        names = ", ".join(f"{lab}/{node}" for lab, node in records)
        raise BadArgument(f"there is more than one {container}: say which, one of {names}")
    raise NoSuchNode(
        f"there is no container {container!r}: Docker runs none of that name or id, and no lab "
        "has such a host; `playground ls` and `docker ps` show what there is"
    )


def find_host(lab: str, host: str) -> OutsideNamespace:
    with closing(RunningLabs()) as labs:
        engine, record = labs.find(lab)
        for name in record.nodes:
            if host in (name, name.partition(".")[0]):
                break
        else:
            there = ", ".join(record.nodes)
            raise NoSuchNode(f"lab {record.name} has no host {host!r}: it has {there}")
        handle = f"{record.id}/{name}"
        if is_docker(engine):
            place = on_docker(engine, name, handle, f"{record.id}.{name}")
            return replace(place, reaches_peers=True)
        pids = find_nodes(record.id).get(name)
        if pids is None:
            raise NoSuchNode(f"{name} of lab {record.name} has ended")
        return OutsideNamespace(name, handle, pids[0])


def _docker_container(name: str) -> OutsideNamespace | None:
    """Look for a container of Docker's; None where there is no such one, or no Docker."""
    from playground.engines.docker.engine import DockerEngine

    engine = DockerEngine()
    if not (engine.was_asked_for() or engine.answers()):
        return None
    with closing(engine):
        found = engine.container(name)
        return on_docker(engine, name, name, name) if found else None


def is_docker(engine: Engine) -> bool:
    return not (engine.url or "").startswith("namespaces:")


def on_docker(engine: Any, name: str, handle: str, container: str) -> OutsideNamespace:
    found = engine.container(container)
    if found is None:
        raise NoSuchNode(f"Docker runs no container {container}")
    identity, pid = found
    return OutsideNamespace(name, handle, pid, None if _is_here(identity, pid) else engine)


def _is_here(identity: str, pid: int) -> bool:
    """Whether a container's process is one of this machine that we may reach ourselves.

    An engine may be elsewhere, where its numbers mean other processes than here.

    """
    if os.geteuid() != 0:
        return False
    try:
        return identity in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


def refuse_strangers(place: OutsideNamespace, trust_hosts: bool) -> None:
    """Raise `BadArgument` where a link with the machine would lay it open to a host."""
    if place.reaches_peers and not trust_hosts:
        raise BadArgument(
            f"{place.name} is a container of Docker's: whoever is root on it, or on another host "
            "of its lab, could change this machine's own network over such a link. Use "
            'Lab(engine="namespaces"), whose hosts cannot, or say trust_hosts=True if you trust '
            "all that runs on the lab's hosts (see SECURITY.md)"
        )


def machine_access_for(*places: OutsideNamespace) -> MachineAccess:
    engines = [place.docker for place in places]
    if not any(engines):
        return LocalMachineAccess()
    if not all(engines):
        names = " and ".join(place.name for place in places)
        raise BadArgument(f"{names} are not both Docker's, and to join them takes root")
    assert engines[0] is not None
    return DockerMachineAccess(engines[0])


@contextmanager
def about(place: OutsideNamespace) -> Iterator[None]:
    """Say of which container an error is."""
    try:
        yield
    except AgentError as error:
        raise AgentError(
            f"{place.name}: {error}", error.op, error.errno, error.remote_traceback
        ) from error
