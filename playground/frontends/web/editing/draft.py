"""Drafts: a lab as the text of its file, changed by forms; what a page may declare.  Pure.

The text is the whole truth of a draft.  A form changes the data in it, comments stay, and whatever
somebody types is read by the reader of lab files, which runs nothing.

"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from playground.errors import BadArgument, PlaygroundError, TopologyError
from playground.frontends.web.editing import python_text
from playground.lab.declarations.declare import declare
from playground.lab.declarations.gather import gather
from playground.lab.declarations.shapes import Declarations, NodeSaid
from playground.lab.files.reading import FORMAT, FORMAT_KEY, LabFile, understand
from playground.lab.files.writing import file_data, file_text
from playground.lab.files.yaml_document import parse_document
from playground.lab.lab import Lab
from playground.model.containers.limits import DEFAULT_PROCESSES
from playground.model.containers.reaching_out import MOST_NODES, reached
from playground.model.records import dataclass
from playground.operations.pictures.positions import check_positions

# What messages call the text, which is in no file.
PLACE = Path("lab.yaml")

# Arguments that bound what a host takes of the machine.
_LIMITS = ("memory_mb", "cpus", "processes", "shm_mb")

# Of a text that somebody types: to read so much takes half a minute of a processor.
MOST_BYTES = 128 << 10

EMPTY = f"{FORMAT_KEY}: {FORMAT}\nnodes: {{}}\nlinks: []\n"


def text_of(lab: Lab) -> str:
    """Return the text of a lab's file, without its users' passwords."""
    state = lab._state
    with state.declaring:
        settings = state.settings()
        data = file_data(settings, gather(state.nodes))
    # A page may be looked at over somebody's shoulder.
    data.pop("users", None)
    return file_text(data)


def read(text: str, within: Collection[Path] = ()) -> LabFile:
    """Return what a draft says; raises `TopologyError` with line and column.

    Paths of this machine may lead into the folders ``within`` alone.

    """
    return understand(parse_document(text.encode(), PLACE), within)


def declared(text: str, running: Lab) -> Lab:
    """Return the lab that a draft declares, which is not started, in place of a running one.

    Settings of the lab itself stay as they are.  Raises `TopologyError` for what cannot be, and
    for what reaches out of the lab where the running one did not: who edits a page has the
    lab's machines, and not this one.

    """
    before = gather(running.nodes)
    file = read(text, tuple(_paths(before)))
    refuse_new_reach(before, file.declarations)
    nodes = declare(file.declarations).nodes
    return Lab(
        *nodes.values(), name=running.name, ipv6=running.ipv6, strict=running.strict, quiet=True
    )


class ChangedMeanwhile(PlaygroundError):
    """Somebody else has changed the lab since it was shown what a draft would change."""


def apply(text: str, running: Lab, base: str) -> None:
    """Make a running lab what a draft says, if it still is what ``base`` (`text_of`) says.

    Raises `ChangedMeanwhile` otherwise: nobody was shown what it would take away of what others
    have added since.

    """
    with running._state.lock:
        if _without_positions(text_of(running)) != _without_positions(base):
            raise ChangedMeanwhile(
                "somebody has changed the lab since these changes were shown: nothing was applied; "
                "look at what applying would change now, then apply, or begin anew with Undo all"
            )
        running.apply(declared(text, running))
        # Cards that somebody has dragged meanwhile stay there.
        before, wanted = positions_of(base), positions_of(text)
        names = {node.name for node in running.nodes}
        said = {name: at for name, at in wanted.items() if before.get(name) != at}
        kept = {**running.positions, **said}
        running.positions = {name: at for name, at in kept.items() if name in names}


def _without_positions(text: str) -> dict[str, Any]:
    return {key: value for key, value in _data(text).items() if key != "positions"}


def refuse_new_reach(before: Declarations, after: Declarations) -> None:
    """Raise `TopologyError` for what reaches out of a lab, unless it was there.

    Nor may a page make more hosts than a lab of a stranger has, or take a limit off a host.

    """
    if len(after.nodes) > max(MOST_NODES, len(before.nodes)):
        raise TopologyError(
            f"{len(after.nodes)} nodes are more than the {MOST_NODES} that a page makes; write "
            "them into the lab's file and use `playground apply`"
        )
    known = {node.name: node for node in before.nodes}
    for node in after.nodes:
        same = known.get(node.name, NodeSaid(node.kind, node.name))
        arguments, where = same.arguments, node.place or node.name
        had = reached(arguments)
        for path in _paths_read(node) - _paths_read(same):
            raise TopologyError(
                f"{where}: {path} is a path of this machine, and a page reads no other files than "
                "those that the host had; write it into the lab's file and use `playground apply`"
            )
        for name, value in reached(node.arguments).items():
            if value != had.get(name):
                raise TopologyError(
                    f"{where}: {name} reaches out of the lab and is not taken from a page; write "
                    "it into the lab's file and use `playground apply`"
                )
        for name in _LIMITS if node.kind != "switch" else ():
            most, now = _most(name, same, before), _limit(name, node)
            if most is None or (now is not None and now <= most):
                continue
            raise TopologyError(
                f"{where}: {name} was {most}, and a page neither raises a limit nor takes it off; "
                "write it into the lab's file and use `playground apply`"
                if node.name in known
                else f"{where}: all hosts of this lab have {name}, at most {most}: say "
                f"{name}={most} or less for one more"
            )


def _limit(name: str, node: NodeSaid) -> Any:
    """Return what bounds a node, said or not; None for nothing."""
    default = DEFAULT_PROCESSES if name == "processes" else None
    said = node.arguments.get(name)
    return default if said is None else said


def _most(name: str, same: NodeSaid, before: Declarations) -> Any:
    """Return the most that a page may say for a node: what it had, or else what others have."""
    if same in before.nodes:
        return _limit(name, same)
    limits = [_limit(name, node) for node in before.nodes if node.kind != "switch"]
    return None if None in limits else max(limits, default=_limit(name, same))


def _paths_read(node: NodeSaid) -> set[Path]:
    """Return the paths whose files are read for a node; volumes are not, and are compared."""
    said = {name: value for name, value in node.arguments.items() if name != "volumes"}
    return {*_paths(said), *_paths([call.arguments for call in node.calls])}


def _paths(value: Any) -> Iterator[Path]:
    """Yield the paths of this machine that declarations have."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, Declarations):
        for node in value.nodes:
            yield from _paths(node.arguments)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _paths(key)
            yield from _paths(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _paths(item)
    elif dataclasses.is_dataclass(value):  # a service, with a folder that it serves
        for one in dataclasses.fields(value):
            yield from _paths(getattr(value, one.name))


def python_of(text: str) -> str:
    """Return a draft as a program of Python."""
    file = read(text, _ANYWHERE)
    return python_text.write(file.declarations, file.settings.get("name"))


def from_python(program: str, text: str) -> str:
    """Return the draft that a program declares; settings of the lab stay those of ``text``.

    The program is read and never run.  Raises `TopologyError` with the line of what is no
    declaration.

    """
    settings = dict(read(text, _ANYWHERE).settings)
    return file_text(file_data(settings, python_text.read(program)), text)


# For what is only shown: `declared` looks at paths again.
_ANYWHERE = (Path("/"),)


# -- changed by forms ---------------------------------------------------------------


def with_node(text: str, kind: str, name: str, arguments: Mapping[str, Any]) -> str:
    """Return the draft with one more node; raises `BadArgument` where one has its name."""

    def change(data: dict[str, Any]) -> None:
        if name in data["nodes"]:
            raise BadArgument(f"there is a node {name} already: choose another name")
        said = ({} if kind == "host" else {"kind": kind}) | dict(arguments)
        data["nodes"][name] = said or None

    return _changed(text, change)


def with_link(text: str, a: str, b: str, arguments: Mapping[str, Any]) -> str:
    """Return the draft with one more link between two of its nodes."""

    def change(data: dict[str, Any]) -> None:
        for name in (a, b):
            if name not in data["nodes"]:
                raise BadArgument(f"there is no node {name!r} to link: choose two that are there")
        said = {"nodes": [a, b], **arguments}
        data["links"].append(said if arguments else [a, b])

    return _changed(text, change)


def without_node(text: str, name: str) -> str:
    """Return the draft without a node and its links."""

    def change(data: dict[str, Any]) -> None:
        if name not in data["nodes"]:
            raise BadArgument(f"there is no node {name!r}: it was removed already")
        del data["nodes"][name]
        if name in (data.get("positions") or {}):
            data["positions"] = {one: at for one, at in data["positions"].items() if one != name}
        data["links"] = [link for link in data["links"] if name not in _ends(link)]

    return _changed(text, change)


def with_arguments(text: str, name: str, arguments: Mapping[str, Any]) -> str:
    """Return the draft with other arguments of a node; None takes one away."""

    def change(data: dict[str, Any]) -> None:
        if name not in data["nodes"]:
            raise BadArgument(f"there is no node {name!r}: it was removed")
        said = {**(data["nodes"][name] or {}), **arguments}
        data["nodes"][name] = {key: one for key, one in said.items() if one is not None} or None

    return _changed(text, change)


def with_position(text: str, name: str, place: tuple[float, float]) -> str:
    """Return the draft with a card elsewhere in its picture: its middle in pixels."""

    def change(data: dict[str, Any]) -> None:
        if name not in data["nodes"]:
            raise BadArgument(f"there is no node {name!r}: it was removed")
        data["positions"] = {**(data.get("positions") or {}), name: [round(one) for one in place]}

    return _changed(text, change)


@dataclass(frozen=True)
class Parts:
    """What forms and pictures show of a draft, so that they need not read it again.

    ``nodes`` are the kind of each and its arguments as they stand there, by name and in order;
    ``positions`` where cards were put.

    """

    nodes: Mapping[str, tuple[str, Mapping[str, Any]]]
    positions: Mapping[str, tuple[float, float]]


NO_PARTS = Parts({}, {})


def parts_of(text: str) -> Parts:
    """Return the parts of a draft.  To read a large one takes seconds: call it in a thread."""
    nodes = {}
    for name, said in _data(text)["nodes"].items():
        arguments = {key: one for key, one in (said or {}).items() if key not in ("kind", "calls")}
        nodes[str(name)] = str((said or {}).get("kind", "host")), arguments
    return Parts(nodes, positions_of(text))


def check_size(text: str, most_bytes: int = MOST_BYTES) -> None:
    """Raise `BadArgument` for a text that is too large for a page, before anything reads it."""
    # A character may be four bytes: what is too long need not be encoded.
    if len(text) > most_bytes or len(text.encode("utf-8", "surrogatepass")) > most_bytes:
        raise BadArgument(
            f"that is more than the {most_bytes >> 10} KiB that a page reads; write it into the "
            "lab's file and use `playground apply`"
        )


def positions_of(text: str) -> dict[str, tuple[float, float]]:
    """Return where a draft puts cards in the lab's picture."""
    return settings_of(text)[1]


def settings_of(text: str) -> tuple[dict[str, Any], dict[str, tuple[float, float]]]:
    """Return what a draft says of the lab itself, and where it puts cards in its picture."""
    said = dict(read(text, _ANYWHERE).settings)
    return said, check_positions("the draft", said.pop("positions", None))


def _ends(link: Any) -> list[Any]:
    return list(link["nodes"] if isinstance(link, dict) else link)


def _data(text: str) -> dict[str, Any]:
    data = parse_document(text.encode(), PLACE).data
    if not isinstance(data, dict):
        raise TopologyError(f"this is no lab file: it begins with `{FORMAT_KEY}: {FORMAT}`")
    return {**data, "nodes": dict(data.get("nodes") or {}), "links": list(data.get("links") or [])}


def _changed(text: str, change: Callable[[dict[str, Any]], None]) -> str:
    data = _data(text)
    change(data)
    changed = file_text(data, text)
    try:
        read(changed, _ANYWHERE)  # refused at once, where it was typed
    except TopologyError as error:
        raise TopologyError(without_place(str(error))) from None
    return changed


def without_place(sentence: str) -> str:
    """Return a refusal without the line of the draft, which who fills in a form does not see.

    >>> without_place("lab.yaml:21:3: host 'bad name!': that is no host name")
    "host 'bad name!': that is no host name"

    """
    return re.sub(rf"^{re.escape(str(PLACE))}:\d+(:\d+)?: ", "", sentence)
