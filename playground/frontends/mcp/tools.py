"""The table of tools: what an assistant can do, and of which function of the API each is made.

To add one: a row.  Its schema and its description come from the function.

"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from enum import Enum
from typing import Any

from playground.errors import BadArgument
from playground.frontends.mcp import workshop_tools
from playground.frontends.mcp.tool_schemas import (
    Schema,
    check_arguments,
    description,
    input_schema,
)
from playground.frontends.mcp.workshop import Workshop
from playground.lab.lab import Lab
from playground.model.arguments import is_number, shown
from playground.model.records import dataclass
from playground.operations.diagnosis.checks import Checks
from playground.operations.links.link import LinkOperations
from playground.operations.links.switch import SwitchOperations
from playground.operations.nodes.node import NodeOperations
from playground.operations.nodes.services import RunningService


class Effect(Enum):
    """What a tool does to labs: nothing, something more, or something that cannot be undone."""

    READS = "reads"
    ADDS = "adds"
    CHANGES = "changes"


@dataclass(frozen=True)
class AssistantTool:
    """One tool: ``of`` says whose method ``function`` is, "workshop" for a function of ours.

    ``fixed`` are arguments that an assistant does not choose, and ``usual`` those whose default is
    another for it.  An ``idempotent`` tool does nothing more when it is called again.

    """

    name: str
    of: str
    function: Callable[..., Any]
    effect: Effect
    idempotent: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    usual: Mapping[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        """The JSON schema of its arguments: whose it is, then those of the function."""
        own = input_schema(self.function, self.fixed)
        for name, value in self.usual.items():
            own["properties"][name]["default"] = value
        target = _TARGETS[self.of]
        needed = [name for name, said in target.items() if "description" in said and name != "lab"]
        required = [*needed, *own.get("required", ())]
        own["properties"] = {**target, **own["properties"]}
        return own | ({"required": required} if required else {})

    @property
    def description(self) -> str:
        """What it does, as the function's docstring says it."""
        return description(self.function)

    def call(self, workshop: Workshop, arguments: Mapping[str, Any]) -> Any:
        """Do it, and return what the function does.

        Raises `PlaygroundError` for what cannot be done.

        """
        check_arguments(self.name, self.schema, arguments)
        given = dict(arguments)
        if self.of == "workshop":
            return self.function(workshop, **given)
        for name, most in _MOST.items():
            value = given.get(name)
            if name in given and not is_number(value, 0, most):
                raise BadArgument(f"{name}={shown(value)}: say a number from 0 to {most:g}")
        lab = workshop.lab(given.pop("lab", None))
        method = _method(self, lab, given)
        positional = given.pop("nodes", ()) if self.name == "ping_all" else ()
        commands = given.pop("commands", ()) if self.name == "vtysh" else ()
        answer = method(*positional, *commands, **{**self.usual, **given, **self.fixed})
        # These return what they are methods of.
        return None if isinstance(answer, Lab) else answer


_LAB: Schema = {"type": "string", "description": "Its name; needed where there are several."}
_NODE: Schema = {"type": "string", "description": "The name of a node, or its first label."}

# Arguments that say whose method is called.
_TARGETS: Mapping[str, Mapping[str, Schema]] = {
    "workshop": {},
    "lab": {"lab": _LAB},
    "checks": {"lab": _LAB},
    "node": {"lab": _LAB, "node": _NODE},
    "switch": {"lab": _LAB, "switch": {"type": "string", "description": "Its name."}},
    "service": {
        "lab": _LAB,
        "node": _NODE,
        "service": {"type": "string", "description": "Its name on that node, such as http."},
    },
    "link": {
        "lab": _LAB,
        "a": {"type": "string", "description": "The name of a node at one end."},
        "b": {"type": "string", "description": "The name of the node at the other."},
        "interface": {"type": "string"},
    },
}

# Nothing waits longer, and nothing returns more.
_MOST: Mapping[str, float] = {
    "timeout_s": 300,
    "within_s": 120,
    "seconds": 60,
    "count": 100,
    "interval_s": 5,
    "max_hops": 64,
    "grace_s": 60,
}


def _method(tool: AssistantTool, lab: Lab, given: dict[str, Any]) -> Callable[..., Any]:
    name = tool.function.__name__
    if tool.of == "lab":
        return getattr(lab, name)  # type: ignore[no-any-return]
    if tool.of == "checks":
        return getattr(lab.check, name)  # type: ignore[no-any-return]
    if tool.of == "link":
        link = lab.link(given.pop("a"), given.pop("b"), interface=given.pop("interface", None))
        return getattr(link, name)  # type: ignore[no-any-return]
    if tool.of == "switch":
        switch = lab[given.pop("switch")]
        if not isinstance(switch, SwitchOperations):
            raise BadArgument(f"{switch.name} is no switch")
        return getattr(switch, name)  # type: ignore[no-any-return]
    node = lab.node(given.pop("node"))
    if tool.of == "service":
        return getattr(node.services[given.pop("service")], name)  # type: ignore[no-any-return]
    return getattr(node, name)  # type: ignore[no-any-return]


def _rows() -> Iterator[AssistantTool]:
    reads, adds, changes = Effect.READS, Effect.ADDS, Effect.CHANGES
    ours = workshop_tools
    yield AssistantTool("labs", "workshop", ours.labs, reads)
    yield AssistantTool("example_labs", "workshop", ours.example_labs, reads)
    yield AssistantTool("how_to", "workshop", ours.how_to, reads)
    yield AssistantTool("describe", "workshop", ours.describe, reads)
    yield AssistantTool("declare", "workshop", ours.declare, adds, idempotent=True)
    yield AssistantTool("declare_example", "workshop", ours.declare_example, adds, idempotent=True)
    yield AssistantTool("extend", "workshop", ours.extend, adds)
    yield AssistantTool("start", "lab", Lab.start, adds, idempotent=True)
    yield AssistantTool("stop", "lab", Lab.stop, changes, idempotent=True)
    yield AssistantTool("forget", "workshop", ours.forget, changes)
    yield AssistantTool("change", "workshop", ours.change, changes)

    yield AssistantTool("node_stop", "node", NodeOperations.stop, changes, idempotent=True)
    yield AssistantTool("node_start", "workshop", ours.node_start, adds, idempotent=True)
    yield AssistantTool("node_restart", "node", NodeOperations.restart, changes)
    yield AssistantTool(
        "run",
        "node",
        NodeOperations.run,
        changes,
        fixed={"output_limit_mb": 1.0},
        usual={"check": False},
    )
    yield AssistantTool("read_file", "node", NodeOperations.read, reads, fixed={"limit_mb": 1.0})
    yield AssistantTool("write_file", "node", NodeOperations.write, changes, idempotent=True)
    yield AssistantTool("service_status", "service", RunningService.status, reads)
    yield AssistantTool("service_start", "service", RunningService.start, adds, idempotent=True)
    yield AssistantTool("service_stop", "service", RunningService.stop, changes, idempotent=True)
    yield AssistantTool("service_log", "service", RunningService.log, reads, usual={"lines": 50})

    yield AssistantTool("ping", "node", NodeOperations.ping, reads)
    yield AssistantTool("traceroute", "node", NodeOperations.traceroute, reads)
    yield AssistantTool("ping_all", "lab", Lab.ping_all, reads)
    yield AssistantTool("explain", "lab", Lab.explain, reads)
    yield AssistantTool("capture", "workshop", ours.capture, changes)
    yield AssistantTool("events", "workshop", ours.events, changes)
    yield AssistantTool("rtt_under_load", "lab", Lab.rtt_under_load, reads)
    yield AssistantTool("wait_converged", "lab", Lab.wait_converged, reads)
    yield AssistantTool("check_reaches", "checks", Checks.reaches, reads)
    yield AssistantTool("check_does_not_reach", "checks", Checks.does_not_reach, reads)
    yield AssistantTool("check_path", "checks", Checks.path, reads)
    yield AssistantTool("check_serves", "checks", Checks.serves, reads)
    yield AssistantTool("check_resolves", "checks", Checks.resolves, reads)

    yield AssistantTool("state", "workshop", ours.state, reads)
    yield AssistantTool("routes", "node", NodeOperations.routes, reads)
    yield AssistantTool("connections", "node", NodeOperations.connections, reads)
    yield AssistantTool("processes", "node", NodeOperations.processes, reads)
    yield AssistantTool("vtysh", "node", NodeOperations.vtysh, changes)
    yield AssistantTool("learned_addresses", "switch", SwitchOperations.table, reads)
    yield AssistantTool("link_statistics", "link", LinkOperations.statistics, reads)
    yield AssistantTool("as_shell", "lab", Lab.as_shell, reads)
    yield AssistantTool("picture", "workshop", ours.picture, reads)

    yield AssistantTool("save", "workshop", ours.save, adds, idempotent=True)
    yield AssistantTool("load", "workshop", ours.load, adds, idempotent=True)
    yield AssistantTool("files", "workshop", ours.files, reads)


TOOLS: Mapping[str, AssistantTool] = {tool.name: tool for tool in _rows()}
