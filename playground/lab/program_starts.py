"""Programs of the user's own in a lab's nodes: started when the network is there, waited for."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from playground.display.progress import Progress
from playground.errors import LabWarning, TopologyError
from playground.lab.state import callers_level
from playground.model.containers.own_service import Service
from playground.model.services.settings import ServiceSettings
from playground.model.services.table import row_of
from playground.operations.connection.client import Client
from playground.operations.connection.handles import Node
from playground.operations.connection.threads import each
from playground.operations.programs import supervisord
from playground.operations.programs.own_service import OwnService
from playground.operations.programs.program import (
    Program,
    ended_words,
    has_begun,
    refuse_failure,
    silent_words,
)
from playground.planning.plan import NodePlan, Plan
from playground.planning.program_plans import (
    ALWAYS_AGAIN,
    MAIN,
    ImageConfig,
    ProgramPlan,
    main_program,
    published_tcp_ports,
)

Programs = Mapping[str, Sequence[ProgramPlan]]


def programs_of(nodes: Iterable[NodePlan], images: Mapping[str, ImageConfig | None]) -> Programs:
    """Return the programs of each node that has any, the main one first."""
    found = {}
    for node in nodes:
        main = main_program(node.container, images.get(node.name))
        own = service_programs(node.services)
        if main is not None or own:
            found[node.name] = (*([main] if main is not None else ()), *own)
    return found


def service_programs(services: Iterable[ServiceSettings]) -> tuple[ProgramPlan, ...]:
    """Return the programs of the services that are a user's own; each is started again always."""
    return tuple(
        ProgramPlan(
            item.name,
            item.words,
            env=tuple(item.environment.items()),
            cwd=item.workdir,
            user=item.user,
            restart=ALWAYS_AGAIN,
        )
        for item in services
        if isinstance(item, Service)
    )


def waves(nodes: Iterable[NodePlan], programs: Programs) -> list[Programs]:
    """Return programs in the order in which they begin: each wave when those before are well.

    That is what ``Host(after=...)`` says.  Raises `TopologyError` for a name that no host has,
    or where hosts wait for each other.

    """
    called = {word: node.name for node in nodes for word in (node.name, node.short)}
    waiting = {node.name: _names(called, node) for node in nodes}
    found: list[Programs] = []
    while waiting:
        wave = [name for name, others in waiting.items() if not others & waiting.keys()]
        if not wave:
            raise TopologyError(f"{', '.join(waiting)} wait for each other: mend their after=")
        for name in wave:
            del waiting[name]
        if some := {name: programs[name] for name in wave if name in programs}:
            found.append(some)
    return found


def _names(called: Mapping[str, str], node: NodePlan) -> set[str]:
    """Return the full names of those that a node's programs wait for."""
    for name in node.container.waits_for:
        if name.lower() not in called:
            raise TopologyError(
                f"{node.name}: after={name!r} is no host of this lab; it has "
                f"{', '.join(dict.fromkeys(called.values()))}"
            )
    return {called[name.lower()] for name in node.container.waits_for}


def protect(agent: Client, pids: Mapping[str, int], nodes: Iterable[NodePlan]) -> None:
    """Make roots read-only that were declared so, when all is written that has to be."""
    if held := [pids[node.name] for node in nodes if node.container.read_only]:
        agent.call("read_only", pids=held)


def stop_gently(agent: Client, pids: Mapping[str, int], nodes: Iterable[NodePlan]) -> None:
    """Let programs end that were given time for it: those of hosts with ``stop_timeout_s``."""
    given = [node for node in nodes if node.container.stop_timeout_s is not None]

    def stop(item: Mapping[str, Any]) -> None:
        agent.call("programs", do="stop", pid=item["pid"], name=item["request"]["name"])

    each(stop, _listed(agent, [pids[node.name] for node in given if node.name in pids]))


def halt(agent: Client, pids: Mapping[str, int], node: NodePlan, grace_s: float) -> tuple[str, ...]:
    """Stop the programs of a node that its supervisor keeps running; return which they were.

    Each has the time that the node was declared with, or ``grace_s`` seconds.

    """
    if not may_have(node):
        return ()
    pid = pids[node.name]
    names = [item["request"]["name"] for item in _listed(agent, [pid])]
    if not names:
        return ()
    states = agent.call("programs", do="states", programs=[[pid, name] for name in names])
    running = tuple(
        name for name, status in zip(names, states, strict=True) if not status["stopped"]
    )

    def stop(name: str) -> None:
        agent.call("programs", do="stop", pid=pid, name=name, timeout_s=grace_s)

    each(stop, running)
    return running


def go_on(agent: Client, pid: int, names: Iterable[str]) -> None:
    """Let a node's supervisor run programs again that it has stopped."""
    for name in names:
        agent.call("programs", do="begin", pid=pid, name=name)


def _listed(agent: Client, pids: Sequence[int]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = agent.call("programs", do="list", pids=pids) if pids else []
    return found


def start(agent: Client, pids: Mapping[str, int], programs: Programs) -> None:
    """Start programs, all at once; what came of each is asked by `wait_ready`."""
    if programs:
        agent.call(
            "programs",
            do="start",
            programs=[one.request(pids[name]) for name, some in programs.items() for one in some],
        )


def known(agent: Client, plan: Plan, pids: Mapping[str, int]) -> dict[str, dict[str, ProgramPlan]]:
    """Return by node and name the programs that a lab's supervisor knows."""
    names = {pids[node.name]: node.name for node in plan.nodes if may_have(node)}
    found: dict[str, dict[str, ProgramPlan]] = {}
    for item in _listed(agent, list(names)):
        program = ProgramPlan.from_request(item["request"])
        found.setdefault(names[item["pid"]], {})[program.name] = program
    return found


def may_have(node: NodePlan) -> bool:
    """Whether a node may have programs of the user's own."""
    said = node.container
    own = any(settings.is_own for settings in node.services)
    return bool(said.source or said.command or said.entrypoint or own)


def wait_ready(
    agent: Client,
    pids: Mapping[str, int],
    nodes: Callable[[str], Node],
    plan: Plan,
    programs: Programs,
    progress: Progress,
) -> None:
    """Wait until each program is well, or has not ended at once; raises `NotReady`.

    One whose end others wait for (``after={"migrate": "ended"}``) has to end, with status 0.

    """
    rows = {
        (node.name, item.service): row_of(item)
        for node in plan.nodes
        for item in node.services
        if item.is_own
    }

    def wait(one: tuple[str, ProgramPlan]) -> None:
        name, program = one
        if (name, program.name) in rows:
            OwnService(nodes(name), program, rows[name, program.name]).wait_begun()
        else:
            with progress.step(f"waiting for the healthcheck of {program.name} of {name}"):
                Program(nodes(name), program).wait_ready()

    several = [(name, program) for name, some in programs.items() for program in some]
    silent = [
        (name, program)
        for name, program in several
        if (name, program.name) not in rows and program.healthcheck is None
    ]
    published = {
        node.name: published_tcp_ports(node.container)
        for node in plan.nodes
        if node.container.publish
    }
    _wait_begun(agent, pids, nodes, silent, published)
    each(wait, [one for one in several if one not in silent])
    _wait_ended(nodes, [one for one in several if one[0] in _to_end(plan)], progress)


def _to_end(plan: Plan) -> set[str]:
    """Return the full names of the hosts whose programs others want to have ended."""
    words = {name.lower() for node in plan.nodes for name in node.container.after_end}
    return {node.name for node in plan.nodes if words & {node.name.lower(), node.short.lower()}}


def _wait_ended(
    nodes: Callable[[str], Node], several: Sequence[tuple[str, ProgramPlan]], progress: Progress
) -> None:
    for name, program in several:
        if program.name == MAIN:
            with progress.step(f"waiting for the end of {program.name} of {name}"):
                Program(nodes(name), program).wait_ended()


def _wait_begun(
    agent: Client,
    pids: Mapping[str, int],
    nodes: Callable[[str], Node],
    waiting: Sequence[tuple[str, ProgramPlan]],
    published: Mapping[str, Sequence[int]],
) -> None:
    """Wait for programs that say nothing of their health: one request for all of them.

    One that has ended with status 0 has done its work.  Where a server was meant, for ports
    of the image or the host are to be reached, a `LabWarning` says that it has, and so it does
    where nothing listens on a port that is published.

    """
    while waiting:
        asked = [[pids[name], program.name] for name, program in waiting]
        left = []
        states = agent.call("programs", do="states", programs=asked)
        for (name, program), status in zip(waiting, states, strict=True):
            refuse_failure(nodes(name), program, status)
            if not has_begun(program, status):
                left.append((name, program))
                continue
            if not status["running"] and status["returncode"] == 0:
                if program.name == MAIN and (program.ports or name in published):
                    said = f"{name}: {ended_words(program)}"
                    warnings.warn(said, LabWarning, stacklevel=callers_level())
            elif supervisord.is_supervisord(status["command"]) and (
                foreign := supervisord.find(nodes(name))
            ):
                foreign.wait_settled()
            if program.name == MAIN and (silent := _silent_ports(published, name, status)):
                said = f"{name}: {silent_words(program, silent)}"
                warnings.warn(said, LabWarning, stacklevel=callers_level())
        waiting = left
        if waiting:
            time.sleep(_LOOK_AGAIN_S)


def _silent_ports(
    published: Mapping[str, Sequence[int]], name: str, status: Mapping[str, Any]
) -> Sequence[int]:
    """Return the published ports of a host whose program runs, where it listens on none."""
    wanted = published.get(name, ())
    return wanted if status["running"] and not set(wanted) & set(status["ports"]) else ()


# How often programs are looked at that have just begun.
_LOOK_AGAIN_S = 0.02
