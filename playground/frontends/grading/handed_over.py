"""What a reader handed over, checked as a stranger's word, and declared as a network.

The reader ran beside the submission and may say whatever the submission wants.  So this takes
plain data only, bounded; files that came with it and no others; and no argument by which a lab
reaches beyond its own hosts.

"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from playground.errors import PlaygroundError, TopologyError
from playground.frontends.grading import submissions
from playground.lab.declarations.shapes import Declarations
from playground.lab.files.reading import LabFile, understand
from playground.lab.files.yaml_document import Document
from playground.model.arguments import shown
from playground.model.containers.reaching_out import MOST_NODES, REACHING_OUT, reached
from playground.model.records import dataclass

# All that is handed over, as text.
MOST_BYTES = 24 * 2**20
_MOST_DEPTH = 30
_MOST_PARTS = 200_000
MOST_LINKS = 1_000
_MOST_WARNINGS = 50
# Files that came with it, and the folders that they lie in: as many as are packed of a folder.
_MOST_FILES, _MOST_FILE_DEPTH = submissions.MOST_FILES, submissions.MOST_DEPTH
_MOST_CHARACTERS = 2_000

# Limits of machines, and what one may have of them beside its memory.
LIMITS = ("memory_mb", "processes", "cpus")
_MOST_PROCESSES, _MOST_CPUS = 256, 1.0
_LEAST_MB = 64

# What a teacher may let submissions have all the same.
GRANTS: Mapping[str, tuple[str, ...]] = {"image": ("image",), "packages": ("packages",)}


@dataclass(frozen=True)
class HandedOver:
    """A submission's network as data; ``refusal`` says why there is none."""

    lab: LabFile | None = None
    refusal: str = ""
    warnings: tuple[str, ...] = ()


def understood(text: bytes, folder: Path, grants: Collection[str] = ()) -> HandedOver:
    """Return the network that a reader handed over; its files are written into ``folder``.

    ``grants`` are those of `GRANTS`.  Raises `PlaygroundError`, with a sentence for the student,
    for what is no network, or one that a submission may not have.

    """
    try:
        return _understood(_plain(text), folder, grants)
    except RecursionError:
        raise PlaygroundError("it nests something too deep") from None


def _understood(data: dict[str, Any], folder: Path, grants: Collection[str]) -> HandedOver:
    if refusal := data.get("refused"):
        return HandedOver(refusal=_words(refusal))
    said = data.get("warnings")
    said = said[:_MOST_WARNINGS] if isinstance(said, list) else []
    _write_files(data.get("files"), folder)
    lab = understand(Document(folder / "the submission", data.get("lab")), within=[folder])
    refuse_beyond(lab.declarations, grants)
    return HandedOver(lab, warnings=tuple(_words(one) for one in said))


def _plain(text: bytes) -> dict[str, Any]:
    if len(text) > MOST_BYTES:
        raise PlaygroundError(f"its network is more than {MOST_BYTES >> 20} MB of data")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise PlaygroundError(
            "it ended before it had declared a network (or calls exit, or writes into what is "
            "handed over)"
        ) from None
    if not isinstance(data, dict):
        raise PlaygroundError("it handed over what is no network")
    parts, level = 0, [data.get("lab"), data.get("warnings")]
    for _ in range(_MOST_DEPTH):
        parts += len(level)
        if parts > _MOST_PARTS:
            raise PlaygroundError("its network has more parts than anybody checks")
        level = [part for one in level for part in _within(one)]
        if not level:
            return data
    raise PlaygroundError("it nests something too deep")


def _within(data: Any) -> Collection[Any]:
    if isinstance(data, dict):
        return data.values()
    return data if isinstance(data, list) else ()


def _words(text: Any) -> str:
    return str(text)[:_MOST_CHARACTERS] if isinstance(text, str) else shown(text)


def _write_files(files: Any, folder: Path) -> None:
    if not isinstance(files, dict):
        raise PlaygroundError("it handed over what is no network")
    made: set[str] = set()
    for name, content in files.items():
        if not re.fullmatch(r"[0-9]{1,6}", name):
            raise PlaygroundError(f"it handed over a file {shown(name)}")
        _count(made, [name])
        if isinstance(content, str):
            (folder / name).write_bytes(_bytes(content))
            continue
        inside = content.get("folder") if isinstance(content, dict) else None
        if not isinstance(inside, dict):
            raise PlaygroundError(f"it handed over a file {name} that is none")
        (folder / name).mkdir()
        for path, text in inside.items():
            parts = _parts(path)
            _count(made, [name, *parts])
            _write_below(folder / name, path, parts, text)


def _parts(path: str) -> list[str]:
    if path.count("/") > _MOST_FILE_DEPTH:
        raise PlaygroundError(f"it has folders in folders, more than {_MOST_FILE_DEPTH} deep")
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part or len(part) > 200 for part in parts):
        raise PlaygroundError(f"it handed over a file {shown(path)}")
    return parts


def _count(made: set[str], parts: Sequence[str]) -> None:
    """Count a file and the folders above it, each once, before any of them is made."""
    for end in range(len(parts), 0, -1):
        path = "/".join(parts[:end])
        if path in made:
            break
        made.add(path)
    if len(made) > _MOST_FILES:
        raise PlaygroundError(f"its hosts have more than {_MOST_FILES:,} files and folders")


def _write_below(folder: Path, path: str, parts: Sequence[str], text: Any) -> None:
    file = folder.joinpath(*parts)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_bytes(text))
    except (OSError, UnicodeEncodeError):
        raise PlaygroundError(f"its file {shown(path)} cannot be written") from None


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise PlaygroundError("it handed over a file that is none") from None


def refuse_beyond(declarations: Declarations, grants: Collection[str] = ()) -> None:
    """Raise `TopologyError` for what reaches beyond a lab's own hosts, or is too large."""
    if len(declarations.nodes) > MOST_NODES or len(declarations.links) > MOST_LINKS:
        raise TopologyError(
            f"it has {len(declarations.nodes)} nodes and {len(declarations.links)} links; a "
            f"submission may have {MOST_NODES} and {MOST_LINKS}"
        )
    granted = {word for grant in grants for word in GRANTS[grant]}
    for node in declarations.nodes:
        for argument in reached(node.arguments):
            if argument not in granted:
                raise TopologyError(
                    f"{node.name} {REACHING_OUT[argument]} ({argument}=), which a submission may "
                    "not"
                )


def limited(
    declarations: Declarations, most_mb: int, always: Collection[str], together: Collection[str]
) -> Declarations:
    """Return declarations in which no machine has more than its share, whatever it says.

    ``most_mb`` is the memory of all in MB; ``always`` are the names of limits that each machine
    gets, ``together`` those that it gets with any one that it names itself (`own_limits`).
    Memory that nobody has named is shared evenly, of which a machine has 64 MB at least.

    """
    machines = [node for node in declarations.nodes if node.kind != "switch"]
    unnamed = sum(not isinstance(node.arguments.get("memory_mb"), int) for node in machines)
    each = (most_mb - memory_mb(declarations)) // max(1, unnamed)
    most = {"memory_mb": max(_LEAST_MB, each), "processes": _MOST_PROCESSES, "cpus": _MOST_CPUS}
    return dataclasses.replace(
        declarations,
        nodes=tuple(
            node
            if node.kind == "switch"
            else dataclasses.replace(node, arguments=_share(node.arguments, most, always, together))
            for node in declarations.nodes
        ),
    )


def _share(
    arguments: Mapping[str, Any],
    most: Mapping[str, float],
    always: Collection[str],
    together: Collection[str],
) -> dict[str, Any]:
    said = {name: value for name in most if (value := arguments.get(name)) is not None}
    given = {name: most[name] for name in most if name in always or (said and name in together)}
    for name, value in said.items():
        # What is named of memory counts in all; no number is refused where it is declared.
        bounded = name != "memory_mb" and isinstance(value, int | float)
        given[name] = min(value, most[name]) if bounded else value
    return {**arguments, **given}


def own_limits(
    engine: str, *, root: bool, held: Collection[str], version: int
) -> tuple[Collection[str], Collection[str]]:
    """Return the limits that machines need of their own: always, and with any that they name.

    On Docker there is none for a lab as a whole.  On bare namespaces the process that marks has
    them, until a machine has a control group of its own, as each of root's has one of processes;
    in version 2 that one counts memory and processors too.  ``held`` are the limits that this
    machine can hold, ``version`` is that of its control groups.

    >>> own_limits("namespaces", root=True, held=("processes",), version=1)
    (('processes',), ())

    """
    if engine != "namespaces":
        return LIMITS, LIMITS
    together = tuple(held) if version == 2 else ()
    if not root or "processes" not in held:
        return (), together
    return together or ("processes",), together


def memory_mb(declarations: Declarations) -> int:
    """Return the memory that hosts are given by name; what others take is the lab's in all."""
    found = (node.arguments.get("memory_mb") for node in declarations.nodes)
    return sum(one for one in found if isinstance(one, int))
