"""The JSON schema of our own file, made of the signatures of the Python API.

Editors complete and check a file by it (https://json-schema.org, draft 2020-12): the site has it
as reference/lab-file.schema.json, and `playground schema` prints it.

"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from playground.lab.declarations.declare import NODE_KINDS
from playground.lab.declarations.signatures import (
    CLASSES,
    Argument,
    constructor_arguments,
    method_arguments,
    settings_arguments,
)
from playground.lab.declarations.told import METHODS
from playground.lab.files.reading import FORMAT, FORMAT_KEY, SETTINGS
from playground.model.containers.own_service import Service
from playground.model.kernel.tunnels import KINDS
from playground.model.services.settings import ServiceSettings
from playground.model.services.table import SERVICES

Schema = dict[str, Any]


def lab_file_schema() -> Schema:
    """Return the schema of a lab file, as data that JSON can hold.

    >>> lab_file_schema()["properties"]["playground"]
    {'const': 1}

    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A lab of playground",
        "description": "Hosts, routers, switches and links, in the words of the Python API.",
        "type": "object",
        "required": [FORMAT_KEY],
        "additionalProperties": False,
        "properties": {
            FORMAT_KEY: {"const": FORMAT},
            **{name: _argument(argument) for name, argument in SETTINGS.items()},
            "nodes": {
                "type": ["object", "null"],
                "additionalProperties": {"$ref": "#/$defs/node"},
            },
            "links": {"type": ["array", "null"], "items": {"$ref": "#/$defs/link"}},
        },
        "$defs": {
            "node": {
                "type": ["object", "null"],
                "properties": {"kind": {"enum": [*NODE_KINDS], "default": "host"}},
                "allOf": [_if_kind(kind) for kind in NODE_KINDS],
            },
            **{kind: _node(kind) for kind in NODE_KINDS},
            "link": {
                "anyOf": [_PAIR, {"$ref": "#/$defs/cable"}, {"$ref": "#/$defs/tunnel"}, _BOND]
            },
            "cable": _link("link", {}),
            "tunnel": _link("tunnel", {"kind": {"enum": [*KINDS]}}),
            "bond": _link("bond", {}),
            "service": _service(),
        },
    }


_BOND: Schema = {"allOf": [{"$ref": "#/$defs/bond"}, {"required": ["links"]}]}


_PAIR: Schema = {
    "type": "array",
    "items": {"type": ["string", "number"]},
    "minItems": 2,
    "maxItems": 2,
    "description": "The names of the two nodes.",
}


def _if_kind(kind: str) -> Schema:
    said: Schema = {"properties": {"kind": {"const": kind}}}
    # Nothing at all is a host.
    if kind != "host":
        said |= {"type": "object", "required": ["kind"]}
    return {"if": said, "then": {"$ref": f"#/$defs/{kind}"}}


def _node(kind: str) -> Schema:
    return {
        "type": ["object", "null"],
        "description": _first_line(CLASSES[kind]),
        "additionalProperties": False,
        "properties": {
            "kind": {"const": kind},
            **_properties(constructor_arguments(kind)),
            "calls": _calls(kind),
        },
    }


def _link(kind: str, further: Mapping[str, Any]) -> Schema:
    known = constructor_arguments(kind)
    needed = ["nodes", *(name for name, one in known.items() if one.needed)]
    return {
        "type": "object",
        "description": _first_line(CLASSES[kind]),
        "required": needed,
        "additionalProperties": False,
        "properties": {
            "id": {"type": "string", "description": "What calls name it by."},
            "nodes": _PAIR,
            **_properties(known),
            **further,
            "calls": _calls("link"),
        },
    }


def _calls(kind: str) -> Schema:
    return {
        "type": ["array", "null"],
        "description": f"What the {kind} is told, in order: methods of the Python API.",
        "items": {
            "anyOf": [
                {"enum": [*METHODS[kind]]},
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": False,
                    "properties": {
                        method: {
                            "description": _first_line(function),
                            "type": ["object", "null"],
                            **_object(method_arguments(kind, method)),
                        }
                        for method, function in METHODS[kind].items()
                    },
                },
            ]
        },
    }


def _object(known: Mapping[str, Argument]) -> Schema:
    needed = [name for name, one in known.items() if one.needed]
    return {"additionalProperties": False, "properties": _properties(known)} | (
        {"required": needed} if needed else {}
    )


def _properties(known: Mapping[str, Argument]) -> Schema:
    return {name: _argument(argument) for name, argument in known.items()}


def _argument(argument: Argument) -> Schema:
    if argument.takes_services:
        return {"type": "array", "items": {"$ref": "#/$defs/service"}}
    types = argument.types
    if not types:
        return {}
    return {"type": types[0] if len(types) == 1 else [*types]}


def _service() -> Schema:
    return {
        "anyOf": [
            {"type": "string", "examples": [*SERVICES]},
            {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": False,
                "properties": {
                    name: {
                        "description": _first_line(settings),
                        "type": ["object", "null"],
                        **_object(settings_arguments(settings)),
                    }
                    for name, settings in _settings()
                },
            },
        ]
    }


def _settings() -> Iterator[tuple[str, type[ServiceSettings]]]:
    yield from ((name, row.settings) for name, row in SERVICES.items())
    yield "service", Service


def _first_line(documented: Any) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]
