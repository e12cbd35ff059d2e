"""Our own file, written: declarations as YAML; of a file that is there comments stay."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from playground.errors import TopologyError
from playground.lab.declarations.plain import to_plain
from playground.lab.declarations.shapes import (
    Call,
    Declarations,
    LinkName,
    LinkSaid,
    NodeSaid,
    unused_id,
)
from playground.lab.files.reading import FORMAT, FORMAT_KEY

# A node or a link stands in one line of at most so many characters.
_WIDTH = 96


def file_data(
    settings: Mapping[str, Any], declarations: Declarations, folder: Path | None = None
) -> dict[str, Any]:
    """Return a lab as the plain data of a file; `reading.understand` is the way back.

    Paths in ``folder``, where the file is to be, are written as seen from there.  Raises
    `TopologyError` for what no file can hold, such as a function.

    """
    spoken_of = {*_links_of(declarations)}
    usual = {node.name for node in declarations.nodes}
    links = []
    for link in declarations.links:
        default = unused_id("-".join(link.nodes), usual)
        usual.add(link.id)
        named = link.id in spoken_of or not link.id.startswith("-".join(link.nodes))
        links.append(_link(link, folder, named and link.id != default))
    return {
        FORMAT_KEY: FORMAT,
        **settings,
        "nodes": {node.name: _node(node, folder) for node in declarations.nodes},
        "links": links,
    }


def _links_of(declarations: Declarations) -> Iterable[str]:
    """Yield the ids of links that are spoken of."""

    def within(value: Any) -> Iterable[str]:
        if isinstance(value, LinkName):
            yield value.id
        elif isinstance(value, Mapping):
            for item in (*value, *value.values()):
                yield from within(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                yield from within(item)

    parts: list[NodeSaid | LinkSaid] = [*declarations.nodes, *declarations.links]
    for part in parts:
        yield from within(part.arguments)
        for call in part.calls:
            yield from within(call.arguments)


def _node(node: NodeSaid, folder: Path | None) -> dict[str, Any] | None:
    said: dict[str, Any] = {} if node.kind == "host" else {"kind": node.kind}
    said |= {name: to_plain(value, folder) for name, value in node.arguments.items()}
    return said | _calls(node.calls, folder) or None


def _link(link: LinkSaid, folder: Path | None, with_id: bool) -> Any:
    said: dict[str, Any] = {"id": link.id} if with_id else {}
    said["nodes"] = list(link.nodes)
    said |= {name: to_plain(value, folder) for name, value in link.arguments.items()}
    said |= _calls(link.calls, folder)
    return said if len(said) > 1 else said["nodes"]


def _calls(calls: Iterable[Call], folder: Path | None) -> dict[str, Any]:
    said = [
        {call.method: to_plain(call.arguments, folder)} if call.arguments else call.method
        for call in calls
    ]
    return {"calls": said} if said else {}


# -- text ---------------------------------------------------------------------


def file_text(data: Mapping[str, Any], before: str | None = None, schema: str = "") -> str:
    """Return data of a file as YAML; comments and order of the text ``before`` stay.

    ``schema`` is where editors find the JSON schema.

    """
    from ruamel.yaml import YAML  # only whoever writes a file waits for it
    from ruamel.yaml.error import YAMLError

    yaml = YAML()
    yaml.width = 4096  # a line for each node: no text is broken
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda represent, _: represent.represent_scalar("tag:yaml.org,2002:null", "")
    )
    try:
        old = None if before is None else yaml.load(before)
    except YAMLError as error:
        raise TopologyError("the file that is there is no YAML: mend it, or remove it") from error
    out = io.StringIO()
    if isinstance(old, dict):
        yaml.dump(_merged(old, dict(data), ()), out)
        return out.getvalue()
    if schema:
        out.write(f"# yaml-language-server: $schema={schema}\n")
    yaml.dump(_styled(dict(data), ()), out)
    return out.getvalue()


def _styled(value: Any, way: tuple[Any, ...]) -> Any:
    """Return new data in the style of our files: a line for each node and link where it fits."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

    if isinstance(value, str):
        if "\n" in value:
            # A block scalar says nothing of white space at ends of lines that one would see.
            plain = not any(line != line.rstrip() for line in value.split("\n")) and value[0] != " "
            whole = plain and value.endswith("\n") and not value.endswith("\n\n")
            return LiteralScalarString(value) if whole else DoubleQuotedScalarString(value)
        return value
    if isinstance(value, dict):
        made: Any = CommentedMap()
        for key, item in value.items():
            made[key] = _styled(item, (*way, key))
    elif isinstance(value, list):
        made = CommentedSeq([_styled(item, (*way, place)) for place, item in enumerate(value)])
    else:
        return value
    of_call = len(way) > 1 and way[-2] == "calls"
    if len(way) >= 2 and way[-1] != "calls" and not of_call and _fits(value):
        made.fa.set_flow_style()
    else:
        made.fa.set_block_style()
    return made


def _fits(value: Any) -> bool:
    if isinstance(value, dict) and "calls" in value:
        return False
    text = json.dumps(value, default=str)
    return len(text) <= _WIDTH and "\\n" not in text


def _merged(old: Any, new: Any, way: tuple[Any, ...]) -> Any:
    """Put new data into what was read, whose comments stay with what stays."""
    if isinstance(old, dict) and new is None:
        new = {}
    if isinstance(old, dict) and isinstance(new, list) and "nodes" in old:
        new = {"nodes": new}  # a link in either of its two forms
    if isinstance(old, dict) and isinstance(new, dict):
        return _merged_mapping(old, new, way)
    if isinstance(old, list) and isinstance(new, list) and way:
        return _merged_list(old, new, way)
    return old if _same(old, new) else _styled(new, way)


def _merged_mapping(old: Any, new: dict[Any, Any], way: tuple[Any, ...]) -> Any:
    if old.get("kind") == "host" and "kind" not in new and way[:1] == ("nodes",):
        new = {"kind": "host", **new}
    for key in [key for key in old if key not in new]:
        del old[key]
    for key, item in new.items():
        here = (*way, key)
        old[key] = _merged(old[key], item, here) if key in old else _styled(item, here)
    if [*old] != [*new]:
        # Of nodes the order counts; a comment stays with its key.
        for key in new:
            old.move_to_end(key)
    return old


def _merged_list(old: Any, new: list[Any], way: tuple[Any, ...]) -> Any:
    left = list(range(len(old)))
    kept: list[Any] = []
    comments = {}
    for place, item in enumerate(new):
        here = (*way, place)
        match = next((one for one in left if _same(old[one], item)), None)
        if match is None:
            match = next(
                (one for one in left if _about(old[one]) == (about := _about(item)) and about), None
            )
        if match is None:
            kept.append(_styled(item, here))
            continue
        left.remove(match)
        if match in old.ca.items:
            comments[place] = old.ca.items[match]
        kept.append(_merged(old[match], item, here))
    old[:] = kept
    old.ca.items.clear()
    old.ca.items.update(comments)
    return old


def _same(old: Any, new: Any) -> bool:
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)


def _about(item: Any) -> Any:
    """Return what an item of a list is about: a link's nodes, or a call's method."""
    if isinstance(item, dict):
        if "nodes" in item:
            return item.get("id"), *item["nodes"]
        return next(iter(item), None) if len(item) == 1 else None
    if isinstance(item, list):
        return None, *item
    return None
