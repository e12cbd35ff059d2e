"""States of FRR's daemons: neighbours and settings, asked on many routers at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from playground.errors import AgentError
from playground.operations.connection.client import AgentProcess, Client
from playground.operations.diagnosis.evidence.adjacencies import QUESTIONS, Said, read_said
from playground.planning.plan import NodePlan

# A daemon that takes longer does not answer; what many routers say is small.
_LIMIT_S = 10.0
_LIMIT_BYTES = 16 << 20


def ask_daemons(
    agent: Client, nodes: Iterable[NodePlan], pids: Mapping[str, int]
) -> dict[str, Said]:
    """Return what the daemons of routers say, by the routers' names.

    A daemon that does not run, or not answer within 10 s, is left out of what its router says.

    """
    asked: list[tuple[str, str, AgentProcess]] = []
    names = []
    for node in nodes:
        names.append(node.name)
        services = {item.service for item in node.services} & QUESTIONS.keys()
        questions = {name: ["-d", f"{name}d", *_commands(QUESTIONS[name])] for name in services}
        questions[""] = _commands(("show running-config",))
        for name, words in questions.items():
            with suppress(AgentError):
                process = agent.spawn(pids[node.name], ["vtysh", *words], limit_s=_LIMIT_S)
                asked.append((node.name, name, process))
    answers: dict[str, dict[str, str | None]] = {name: {} for name in names}
    for node_name, name, process in asked:
        answers[node_name][name] = _answer(process)
    return {name: read_said(found, found.get("") or "") for name, found in answers.items()}


def _commands(questions: Iterable[str]) -> list[str]:
    return [word for question in questions for word in ("-c", question)]


def _answer(process: AgentProcess) -> str | None:
    try:
        stdout, _ = process.communicate(None, _LIMIT_S, _LIMIT_BYTES)
        failed = process.wait(_LIMIT_S)
    except (TimeoutError, BufferError, AgentError):
        return None
    return None if failed else stdout.decode("utf-8", "replace")
