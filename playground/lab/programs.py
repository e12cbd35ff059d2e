"""Programs of the user's own in a lab's nodes: started when the network is there, waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from playground.operations.connection.handles import Agent, Node
from playground.operations.programs.program import Program
from playground.planning.plan import NodePlan, Plan
from playground.planning.program_plans import ImageConfig, ProgramPlan, main_program

Programs = Mapping[str, Sequence[ProgramPlan]]


def programs_of(nodes: Iterable[NodePlan], images: Mapping[str, ImageConfig | None]) -> Programs:
    """Return the programs of each node that has any, the main one first."""
    found = {node.name: main_program(node.container, images.get(node.name)) for node in nodes}
    return {name: (program,) for name, program in found.items() if program is not None}


def start(agent: Agent, pids: Mapping[str, int], programs: Programs) -> None:
    """Start programs, all at once; what came of each is asked by `wait_ready`."""
    if programs:
        agent.call(
            "programs",
            do="start",
            programs=[one.request(pids[name]) for name, some in programs.items() for one in some],
        )


def known(agent: Agent, plan: Plan, pids: Mapping[str, int]) -> dict[str, dict[str, ProgramPlan]]:
    """Return by node and name the programs that a lab's supervisor knows."""
    names = {pids[node.name]: node.name for node in plan.nodes if may_have(node)}
    found: dict[str, dict[str, ProgramPlan]] = {}
    if names:
        for item in agent.call("programs", do="list", pids=list(names)):
            program = ProgramPlan.from_request(item["request"])
            found.setdefault(names[item["pid"]], {})[program.name] = program
    return found


def may_have(node: NodePlan) -> bool:
    """Whether a node may have programs of the user's own."""
    said = node.container
    return bool(said.source or said.command or said.entrypoint or said.programs)


def wait_ready(nodes: Callable[[str], Node], programs: Programs) -> None:
    """Wait until each program is well, or has not ended at once; raises `NotReady`."""
    for name, some in programs.items():
        for program in some:
            Program(nodes(name), program).wait_ready()
