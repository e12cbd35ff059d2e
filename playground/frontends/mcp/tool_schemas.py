"""Schemas and descriptions of tools, made of signatures and docstrings.  Pure.

An argument's types of JSON are those that a lab file has for the same annotation
(`lab.declarations.signatures`), and nodes are named by text.

"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from playground.errors import BadArgument
from playground.lab.declarations.signatures import (
    ARRAY,
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Argument,
    is_of,
)
from playground.model.arguments import shown

Schema = dict[str, Any]

MOST_DESCRIPTION = 1_500

# A node is named where Python has the object itself.
_NODES = re.compile(r"\b(Host|Router|Switch|Node|Machine)\b")

_WORDS = {
    NULL: "null",
    BOOLEAN: "true or false",
    INTEGER: "a whole number",
    NUMBER: "a number",
    STRING: "a text",
    ARRAY: "a list",
    OBJECT: "an object",
}


def input_schema(function: Callable[..., Any], hidden: Collection[str] = ()) -> Schema:
    """Return the JSON schema of a function's arguments, but those that are ``hidden``.

    >>> def ping(target: Node | str, *, count: int = 3): ...
    >>> input_schema(ping)["properties"]
    {'target': {'type': 'string'}, 'count': {'type': 'integer', 'default': 3}}

    """
    properties: dict[str, Schema] = {}
    needed = []
    for one in _parameters(function, hidden):
        said = _property(one)
        if one.kind is one.VAR_POSITIONAL:
            said = {"type": ARRAY, "items": said}
        elif one.default is one.empty:
            needed.append(one.name)
        elif one.default is not None and isinstance(one.default, (bool, int, float, str)):
            said["default"] = one.default
        properties[one.name] = said
    schema: Schema = {"type": OBJECT, "properties": properties, "additionalProperties": False}
    return schema | ({"required": needed} if needed else {})


def description(function: Callable[..., Any]) -> str:
    """Return what a docstring says, without its examples, in plain words."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(function.__doc__ or ""))
    # Examples are indented, or begin as a session of Python does.
    words = [one for one in paragraphs if one and not one.startswith(("    ", ">>>"))]
    told = "\n\n".join(" ".join(lines.split()) for lines in words)
    told = re.sub(r"::(?=\n|$)", ".", told).replace("``", "`")
    if len(told) <= MOST_DESCRIPTION:
        return told
    return told[:MOST_DESCRIPTION].rpartition(". ")[0] + "."


def check_arguments(tool: str, schema: Schema, given: Mapping[str, Any]) -> None:
    """Raise `BadArgument` for arguments that a tool does not have, lacks, or has otherwise."""
    known: Mapping[str, Schema] = schema["properties"]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}"
            raise BadArgument(f"{tool} has no argument {shown(name)}: {hint}")
    for name in schema.get("required", ()):
        if name not in given:
            raise BadArgument(f"{tool} needs the argument {name}")
    for name, value in given.items():
        types = known[name].get("type", ())
        types = (types,) if isinstance(types, str) else types
        choices = known[name].get("enum")
        if choices is not None and value not in choices:
            raise BadArgument(
                f"{tool}: {name} is one of {', '.join(map(str, choices))}, and not {shown(value)}"
            )
        if types and not any(is_of(value, word) for word in types):
            words = " or ".join(_WORDS[word] for word in types if word != NULL)
            raise BadArgument(f"{tool}: {name} is {words}, and not {shown(value)}")


def _parameters(function: Callable[..., Any], hidden: Collection[str]) -> list[inspect.Parameter]:
    first, *rest = inspect.signature(function).parameters.values()
    # The first is what it is a method of, where it is one.
    found = rest if first.name in ("self", "node", "lab", "link", "workshop") else [first, *rest]
    return [one for one in found if one.name not in hidden]


def _property(one: inspect.Parameter) -> Schema:
    shape = one.annotation if isinstance(one.annotation, str) else str(one.annotation)
    if literal := re.fullmatch(r"Literal\[(.*)\]", shape):
        return {"enum": [word.strip().strip("'\"") for word in literal[1].split(",")]}
    types = dict.fromkeys(Argument(one.name, _NODES.sub("str", shape)).types)
    if not types:
        return {}
    return {"type": next(iter(types)) if len(types) == 1 else [*types]}
