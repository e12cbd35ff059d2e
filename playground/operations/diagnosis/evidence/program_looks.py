"""Programs of the user's own on a node: which run, and how the others ended."""

from __future__ import annotations

from collections.abc import Iterable

from playground.model.records import dataclass
from playground.operations.connection.client import Client
from playground.operations.programs.program import status_words


@dataclass(frozen=True)
class ProgramLook:
    """One program; ``status`` is as `Program.status` says it."""

    name: str
    status: str

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return self.status == "running"


def read_programs(agent: Client, pid: int, names: Iterable[str]) -> tuple[ProgramLook, ...]:
    """Return what the supervisor of a lab says of programs of the node of a pid."""
    wanted = sorted(names)
    if not wanted:
        return ()
    states = agent.call("programs", do="states", programs=[[pid, name] for name in wanted])
    return tuple(
        ProgramLook(name, status_words(status)) for name, status in zip(wanted, states, strict=True)
    )
