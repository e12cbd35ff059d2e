"""Nodes as services: created at once, waited for, and explained where one does not start."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from playground.agent.machines.numbers import global_pid, machine_number
from playground.display.progress import Progress
from playground.engines.docker.errors import no_account
from playground.engines.docker.http import Line
from playground.engines.seam import LAB, NODE, LabLabels, NodeContainer
from playground.engines.swarm.manager import TAKEN, Manager, has_ended, newest, process_of
from playground.engines.swarm.specs import node_spec
from playground.errors import EngineError, NodeDied

_START_LIMIT_S = 300.0
# Between two looks at all tasks of a lab, which take the manager a millisecond each ten.
_LOOK_S = 0.05
# While a large lab starts, the manager has better things to do than to tell of it.
_LOOKS_SHARE = 8
# How often a node is started anew that Swarm has taken from its machine.
_MOST_AGAIN = 3


def start_nodes(
    manager: Manager,
    lab: LabLabels,
    nodes: Sequence[NodeContainer],
    progress: Progress,
    headers: Mapping[str, str],
    helper: str,
) -> dict[str, int]:
    """Create a service for each node; return the numbers of their processes when all run.

    ``headers`` let the machines in at the registry, ``helper`` is the image of the lab's helpers.

    Raises `NodeDied` for one that ends at once, `EngineError` where Swarm refuses; what was
    created is removed then.

    """
    ids = {machine.name: machine.id for machine in manager.machines()}
    created: list[str] = []
    services: dict[str, str] = {}
    again: dict[str, int] = {}

    def create(line: Line, node: NodeContainer) -> None:
        assert node.machine is not None
        spec = node_spec(lab, node, ids[node.machine], helper)
        created.append(spec["Name"])
        made = line.request("POST", "/services/create", body=spec, headers=headers)
        services[str(made["ID"])] = node.name

    names = [node.name for node in nodes]
    with (
        progress.step("starting the machines", total=len(nodes)) as step,
        manager.server.errors("starting the machines"),
    ):
        try:
            manager.server.each(nodes, create)
            deadline = time.monotonic() + _START_LIMIT_S
            done = 0
            while True:
                began = time.monotonic()
                tasks = _tasks_of(manager, lab.id, services)
                took_s = time.monotonic() - began
                for node in _taken(nodes, tasks):
                    again[node.name] = again.get(node.name, 0) + 1
                    if again[node.name] <= _MOST_AGAIN:
                        gone = str(tasks.pop(node.name)["ServiceID"])
                        manager.remove([gone])
                        del services[gone]
                        manager.server.each([node], create)
                pids = processes(tasks)
                running = [name for name in names if name in pids]
                for _ in range(len(running) - done):
                    step.advance()
                done = max(done, len(running))
                if len(running) == len(names):
                    return {name: pids[name] for name in names}
                _refuse_failed(names, tasks)
                if time.monotonic() > deadline:
                    raise EngineError(_late(names, pids, tasks))
                time.sleep(max(_LOOK_S, _LOOKS_SHARE * took_s))
        except BaseException:
            manager.remove(created)
            raise


def _tasks_of(
    manager: Manager, lab_id: str, services: Mapping[str, str]
) -> dict[str, Mapping[str, Any]]:
    """Return the newest task of each service, by the name of its node."""
    tasks = newest(manager.tasks(label=f"{LAB}={lab_id}"))
    return {node: tasks[service] for service, node in services.items() if service in tasks}


def _taken(
    nodes: Sequence[NodeContainer], tasks: Mapping[str, Mapping[str, Any]]
) -> list[NodeContainer]:
    """Return the nodes that Swarm has taken from their machines: they did not end by themselves.

    It does so where it heard nothing of a machine for a moment, as when another manager leads.

    """
    return [
        node
        for node in nodes
        if node.name in tasks and tasks[node.name]["Status"]["State"] in TAKEN
    ]


def tasks_by_node(manager: Manager, lab_id: str) -> dict[str, Mapping[str, Any]]:
    """Return the newest task of each node of a lab, by the node's name."""
    services = {
        service["ID"]: service["Spec"]["Labels"].get(NODE)
        for service in manager.services(f"{LAB}={lab_id}")
    }
    return _tasks_of(manager, lab_id, {one: node for one, node in services.items() if node})


def processes(tasks: Mapping[str, Mapping[str, Any]], down: Collection[str] = ()) -> dict[str, int]:
    """Return the number of the first process of each node that runs, among all machines.

    Of a task on a machine that is ``down`` the manager goes on to say that it runs.

    """
    return {
        node: global_pid(machine_number(task["NodeID"]), pid)
        for node, task in tasks.items()
        if (pid := process_of(task)) and task["NodeID"] not in down
    }


def refuse_dead(manager: Manager, lab: LabLabels, nodes: Sequence[NodeContainer]) -> None:
    """Raise `NodeDied` if one of these nodes has ended, and say on which machine it was."""
    with manager.server.errors("looking whether the machines run"):
        tasks = tasks_by_node(manager, lab.id)
        machines = {machine.id: machine for machine in manager.machines()}
        for node in nodes:
            task = tasks.get(node.name)
            if task is None:
                raise NodeDied(f"{node.name} is gone: somebody has removed its service")
            machine = machines.get(task.get("NodeID", ""))
            if machine is None or not machine.is_ready:
                name = machine.name if machine else node.machine
                raise NodeDied(
                    f"{node.name} is dead: the machine {name}, on which it ran, is down or cut off "
                    "from the swarm; lab.stop() and lab.start() bring the lab up on the others"
                )
            if has_ended(task):
                raise NodeDied(_death(node.name, task))


def _refuse_failed(names: Sequence[str], tasks: Mapping[str, Mapping[str, Any]]) -> None:
    for name in names:
        task = tasks.get(name)
        if task is not None and has_ended(task):
            raise no_account(name, _said_of(task)) or NodeDied(_death(name, task))


def _death(name: str, task: Mapping[str, Any]) -> str:
    if task["Status"]["State"] in TAKEN:
        return (
            f"{name} was taken from its machine by Swarm, which had not heard of that for a while: "
            "look at `docker node ls`, and start the lab again when all machines are Ready"
        )
    return (
        f"{name} ended as soon as it was started ({_said_of(task)}): the first program of its "
        "image must go on running"
    )


def _late(
    names: Sequence[str], pids: Mapping[str, int], tasks: Mapping[str, Mapping[str, Any]]
) -> str:
    waiting = [name for name in names if name not in pids]
    status = tasks[waiting[0]]["Status"] if waiting[0] in tasks else {}
    said = status.get("Err") or status.get("Message") or "no task yet"
    return (
        f"{len(waiting)} of {len(names)} machines have not started within {_START_LIMIT_S:g} s; of "
        f"{waiting[0]} Swarm says: {said}"
    )


def _said_of(task: Mapping[str, Any]) -> str:
    """Return what Swarm says of the end of a task."""
    status = task["Status"]
    return str(status.get("Err") or status.get("Message") or status["State"])
