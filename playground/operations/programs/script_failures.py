"""Scripts that set hosts up, as files of other tools have them: lines that a shell could not run.

Such a script is run to its end whatever fails in it, and so nobody else would tell.

"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from playground.display.safe_text import visible
from playground.operations.connection.handles import Node
from playground.operations.programs.program import Program
from playground.planning.plan import NodePlan
from playground.planning.program_plans import ProgramPlan

# Where readers of other tools' files put a host's script.
SCRIPT = "/hostlab/startup"

# As bash(1) and dash(1) begin what they say about a line.
_SAID = re.compile(rf"{SCRIPT}: (?:line )?(?P<line>\d+): (?P<words>.*)")
_MOST_LINES = 3
_MOST_CHARACTERS = 120


def failures(log: str) -> list[str]:
    """Return what a shell says of lines that it could not run, a few of them.

    >>> failures("/hostlab/startup: line 3: ovs-vsctl: command not found")
    ['line 3: ovs-vsctl: command not found']

    """
    found = [
        f"line {match['line']}: {visible(match['words'])[:_MOST_CHARACTERS]}"
        for match in map(_SAID.match, log.splitlines())
        if match is not None
    ]
    return [*dict.fromkeys(found)][:_MOST_LINES]


def failed_scripts(
    nodes: Iterable[tuple[NodePlan, Node]], programs: Mapping[str, Sequence[ProgramPlan]]
) -> Iterator[str]:
    """Yield a sentence for each node whose script has lines that its shell could not run."""
    for plan, node in nodes:
        if not any(path == SCRIPT for path, _ in plan.container.files):
            continue
        for program in programs.get(plan.name, ()):
            if said := failures(Program(node, program).log()):
                yield (
                    f"{plan.name}: its script fails: {'; '.join(said)} (all that it said: "
                    f'lab["{plan.name}"].services["{program.name}"].log())'
                )
