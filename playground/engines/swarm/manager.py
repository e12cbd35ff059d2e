"""A manager of a swarm, asked over the line to its engine: machines, services, tasks."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playground.engines.docker.http import Line, Refused
from playground.engines.docker.server import Server
from playground.engines.seam import LAB
from playground.errors import EngineError
from playground.planning.placement.shapes import Demand, MachineRoom

# States of a task that come to nothing any more: api/types.proto of swarmkit.
ENDED = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})

# Of those, the states of what Swarm itself has ended.
TAKEN = frozenset({"shutdown", "orphaned"})

_STOP_LIMIT_S = 60.0
_LOOK_S = 0.05

# What a host without anything in it takes, and how many a machine is given at most: the
# kernel's tables for neighbours and interfaces are made for about so many.
HOST_MB = 24
_MOST_HOSTS = 1000
_MEMORY_SHARE = 0.9


# The oldest engine of a machine: with swarm mode's capabilities of services (API 1.41).
MINIMUM_ENGINE = (20, 10)


@dataclass(frozen=True)
class SwarmNode:
    """A machine as Swarm knows it: whether it answers, and whether it takes tasks too.

    A manager that has just become the leader knows of none yet whether it is up or lost, until
    it hears of it: those are taken to be ready.

    """

    id: str
    name: str
    room: MachineRoom
    is_up: bool
    is_ready: bool
    is_manager: bool
    address: str
    engine_version: str
    is_lost: bool = False


def version_number(text: str) -> tuple[int, int]:
    """Return the first two numbers of an engine's version; (0, 0) for what has none.

    >>> version_number("20.10.24+dfsg1")
    (20, 10)

    """
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def refuse_old(machines: Iterable[SwarmNode]) -> None:
    """Raise `EngineError` for a machine whose engine is too old to run nodes."""
    for machine in machines:
        if version_number(machine.engine_version) < MINIMUM_ENGINE:
            needed = ".".join(map(str, MINIMUM_ENGINE))
            raise EngineError(
                f"the engine of the machine {machine.name} is too old: it is Docker "
                f"{machine.engine_version or '?'}, and playground needs {needed} or newer; update "
                "it, or leave the machine out with `docker node update --availability drain "
                f"{machine.name}`"
            )


class Manager:
    """A manager; ``server`` is the way to its engine."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def check(self) -> str:
        """Return what Swarm calls this machine; raises `EngineError` where it is no manager."""
        with self.server.errors("asking the engine for its swarm"), self.server.line() as line:
            found = line.request("GET", "/info")["Swarm"]
        state = found.get("LocalNodeState")
        if state != "active":
            raise EngineError(
                f"the engine is in no swarm (its state is {state}): make one with `docker swarm "
                "init`, and let other machines join it with the command that this prints"
            )
        if not found.get("ControlAvailable"):
            raise EngineError(
                "the engine is a worker of its swarm, and only a manager takes orders: point "
                "DOCKER_HOST at a manager, as in DOCKER_HOST=ssh://manager"
            )
        return str(found["NodeID"])

    def machines(self) -> list[SwarmNode]:
        """Return all machines of the swarm, in the order of their names."""
        doing = "looking at the machines of the swarm"
        with self.server.errors(doing), self.server.line() as line:
            listed = line.request("GET", "/nodes")
        return sorted(map(_machine, listed), key=lambda machine: machine.name)

    def ready(self) -> list[SwarmNode]:
        """Return the machines that take tasks."""
        return [machine for machine in self.machines() if machine.is_ready]

    def services(self, label: str) -> list[dict[str, Any]]:
        """Return the services with a label, "name" or "name=value"."""
        with self.server.line() as line:
            found: list[dict[str, Any]] = line.request("GET", "/services", _labelled(label))
        return found

    def tasks(self, **narrowed: str) -> list[dict[str, Any]]:
        """Return tasks, narrowed as the API's filters have it: ``label=``, ``service=``."""
        query = {"filters": json.dumps({name: [value] for name, value in narrowed.items()})}
        with self.server.line() as line:
            found: list[dict[str, Any]] = line.request("GET", "/tasks", query)
        return found

    def tasks_named(self, service: str) -> list[dict[str, Any]]:
        """Return the tasks of a service, none where it is not there."""
        try:
            return self.tasks(service=service)
        except Refused as refusal:
            if refusal.status == http.client.NOT_FOUND:
                return []
            raise

    def remove(self, services: Sequence[str]) -> None:
        """Remove services by id or name; what is gone already is passed over.

        All are tried before a refusal is raised.

        """
        refusals: list[Refused] = []

        def delete(line: Line, service: str) -> None:
            try:
                line.request("DELETE", f"/services/{service}")
            except Refused as refusal:
                if refusal.status != http.client.NOT_FOUND:
                    refusals.append(refusal)

        self.server.each(services, delete)
        if refusals:
            raise refusals[0]

    def forget(self, lab_id: str, nodes: Sequence[str] | None, node_label: str) -> dict[str, str]:
        """Remove the services of a lab, or of some of its nodes; return their names by id."""
        found = {
            service["ID"]: service["Spec"]["Name"]
            for service in self.services(f"{LAB}={lab_id}")
            if nodes is None or service["Spec"]["Labels"].get(node_label) in nodes
        }
        self.remove(list(found))
        return found

    def stop(self, lab_id: str, nodes: Sequence[str] | None, node_label: str) -> None:
        """Remove the services of a lab, or of some of its nodes; wait until all tasks are gone."""
        label = f"{LAB}={lab_id}"
        found = self.forget(lab_id, nodes, node_label)
        if not found:
            return
        deadline = time.monotonic() + _STOP_LIMIT_S
        while left := self._left(found, label):
            if time.monotonic() > deadline:
                raise EngineError(
                    f"{len(left)} tasks are still there after {_STOP_LIMIT_S:g} s; look at "
                    "`docker service ls` on the manager, and at the engines' own logs"
                )
            time.sleep(_LOOK_S)

    def _left(self, services: Container[str], label: str) -> list[str]:
        """Return the tasks of services that have not ended, by id.

        Of a machine that is down nobody says what became of them; it takes the manager some
        fifteen seconds to notice that one is.

        """
        left = [
            task
            for task in self.tasks(label=label)
            if task["ServiceID"] in services and not has_ended(task)
        ]
        if not left:
            return []
        down = {machine.id for machine in self.machines() if machine.is_lost}
        return [str(task["ID"]) for task in left if task.get("NodeID") not in down]


def has_ended(task: Mapping[str, Any]) -> bool:
    return task["Status"]["State"] in ENDED


def runs(task: Mapping[str, Any]) -> bool:
    """Tell whether a task runs and is to go on.

    Of one that a lost machine had the manager says for ever that it runs, and wants it to end.

    """
    return bool(task["Status"]["State"] == "running" == task["DesiredState"])


def process_of(task: Mapping[str, Any]) -> int:
    """Return the process id of a task that runs, as its machine counts; else 0."""
    if task["Status"]["State"] != "running":
        return 0
    return int((task["Status"].get("ContainerStatus") or {}).get("PID") or 0)


def newest(tasks: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the newest task of each service, by the service's id."""
    found: dict[str, Mapping[str, Any]] = {}
    for task in sorted(tasks, key=lambda task: str(task["CreatedAt"])):
        found[task["ServiceID"]] = task
    return found


def _labelled(label: str) -> dict[str, str]:
    return {"filters": json.dumps({"label": [label]})}


def _machine(node: Mapping[str, Any]) -> SwarmNode:
    described = node["Description"]
    name = str(described["Hostname"])
    resources = described["Resources"]
    memory_mb = resources.get("MemoryBytes", 0) / (1 << 20) * _MEMORY_SHARE
    room = Demand(
        min(_MOST_HOSTS, int(memory_mb // HOST_MB)),
        memory_mb,
        resources.get("NanoCPUs", 0) / 1e9,
    )
    state = node["Status"]["State"]
    up = state in ("ready", "unknown")
    return SwarmNode(
        id=str(node["ID"]),
        name=name,
        room=MachineRoom(name, room),
        is_up=up,
        is_ready=up and node["Spec"]["Availability"] == "active",
        is_manager=node["Spec"]["Role"] == "manager",
        address=str(node["Status"].get("Addr", "")),
        engine_version=str(described.get("Engine", {}).get("EngineVersion", "")),
        is_lost=state in ("down", "disconnected"),
    )
