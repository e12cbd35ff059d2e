"""What FRR refuses of users' own lines, as its own check of the text says it.

Before they start, vtysh(1) reads each text: it knows the grammar of all daemons, and needs
none of them.  What only a daemon can refuse, such as a neighbour of an unknown group, is
found when it was told, by what the image's `tell` has written down.

"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from playground.errors import LabWarning, TopologyError
from playground.lab.provision import NodeProvision
from playground.lab.state import callers_level
from playground.model.services.frr import FRR_TEXTS, ROUTING
from playground.model.services.settings import File
from playground.operations.connection.client import AgentProcess, Client
from playground.operations.connection.program_outputs import output_of

# Reading a text without any daemon takes vtysh 15 ms, and 0.4 s for ten thousand lines.
_READ_LIMIT_S = 30.0

_MOST_NAMED = 5

_TEXT = "text in FRR's words (frr=, configure())"


class Refusal(NamedTuple):
    """A line that FRR refused, by its number from 1, with what it said about it."""

    number: int
    reason: str


def new_texts(
    wanted: Mapping[str, NodeProvision], present: Mapping[str, NodeProvision]
) -> dict[str, list[File]]:
    """Return the texts that nodes have not been told yet, by the node's name."""
    found = {}
    for name, node in wanted.items():
        known = present[name].files if name in present else ()
        texts = [
            file for file in node.files if file.path.startswith(FRR_TEXTS) and file not in known
        ]
        if texts:
            found[name] = texts
    return found


def check_texts(
    agent: Client, pids: Mapping[str, int], texts: Mapping[str, list[File]], strict: bool = True
) -> None:
    """Let FRR read the texts of nodes on which nothing runs yet.

    Raises `TopologyError` with the lines that it refuses; where a lab is not ``strict`` that is
    a `LabWarning`, and FRR goes on without them, as it does by itself.

    """
    reading = [
        (name, file, agent.spawn(pids[name], ["vtysh", "-C", "-f", file.path], merge_stderr=True))
        for name, files in texts.items()
        for file in files
    ]
    for name, file, process in reading:
        _refuse(name, file, refusals(_output(name, process, _READ_LIMIT_S)), strict)


def wait_told(
    agent: Client,
    pids: Mapping[str, int],
    texts: Mapping[str, list[File]],
    wanted: Mapping[str, NodeProvision],
    timeout_s: float,
    strict: bool = True,
) -> None:
    """Wait until the daemons of nodes were told their texts.

    Raises `TopologyError` with the lines that a daemon refused, or tells of them as `check_texts`
    does; `NotReady` after ``timeout_s`` seconds.

    """
    waiting = [
        (
            name,
            agent.spawn(
                pids[name],
                ["/usr/lib/frr/told", *_daemons(wanted[name].programs)],
                merge_stderr=True,
            ),
        )
        for name in texts
    ]
    for name, process in waiting:
        parts = _by_text(_output(name, process, timeout_s))
        for file in texts[name]:
            _refuse(name, file, refusals(parts.get(file.path, ())), strict)


# As vtysh -C and vtysh -f say it (FRR 10.3, vtysh_config_from_file).
_REFUSED = re.compile(
    r"line (\d+): (?:% (?P<parser>[\w ]+)\[\d+\]|Failure to communicate\[\d+\] to (?P<who>\w+)|"
    r"(?P<other>.*?)(?:\[\d+\])?)(?:[,:].*)?"
)


def refusals(said: Iterable[str]) -> list[Refusal]:
    """Return what vtysh(1) complains of, each line once, in the order of the text.

    A daemon's own words come on the lines before vtysh's own about it; "== " begins what
    another has said.

    """
    found: dict[int, Refusal] = {}
    words: list[str] = []
    for line in said:
        if match := _REFUSED.fullmatch(line.strip()):
            reason = (match["parser"] or "").lower() or " ".join(words) or match["other"]
            reason = reason or f"{match['who']} refuses it"
            found.setdefault(int(match[1]), Refusal(int(match[1]), reason))
            words = []
        elif line.startswith("== "):
            words = []
        elif line.strip():
            words.append(line.strip().removeprefix("%").strip())
    return [found[number] for number in sorted(found)]


def _output(name: str, process: AgentProcess, limit_s: float) -> list[str]:
    who = f"what tells FRR on {name} its settings"
    said = output_of(process, who, limit_s, f"look at {name}.services[...].log()")
    return said.decode(errors="replace").splitlines()


def _daemons(programs: Iterable[str]) -> list[str]:
    known = {"mgmtd", "zebra", "staticd"}
    known |= {program for row in ROUTING.values() for program in row.programs}
    return [program for program in programs if program in known]


def _by_text(lines: Iterable[str]) -> dict[str, list[str]]:
    """Return what was said of each text; each daemon's part is headed by the text's path."""
    parts: dict[str, list[str]] = {}
    part: list[str] = []
    for line in lines:
        if line.startswith(f"== {FRR_TEXTS}/"):
            part = parts.setdefault(line.removeprefix("== "), [])
        part.append(line)
    return parts


def _refuse(name: str, file: File, refused: list[Refusal], strict: bool) -> None:
    if not refused:
        return
    lines = file.content.decode(errors="replace").split("\n")
    named = []
    for number, reason in refused[:_MOST_NAMED]:
        line = ""
        with contextlib.suppress(IndexError):
            line = lines[number - 1].strip()
        named.append(f"line {number}, {line!r}: {reason}")
    more = f"; and {len(refused) - _MOST_NAMED} more" if len(refused) > _MOST_NAMED else ""
    service = file.path.rpartition("/")[2].removesuffix(".conf")
    title = f"{ROUTING[service].settings.__name__}(configuration=...)"
    text = (
        f"{name}: FRR refuses lines of its {_TEXT if service == 'frr' else title}: "
        f"{'; '.join(named)}{more}"
    )
    if strict:
        raise TopologyError(text)
    warnings.warn(text, LabWarning, stacklevel=callers_level())
