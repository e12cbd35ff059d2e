"""Arguments of declarations, as the signatures of the Python API have them.

Our own file and its schema know an argument from here alone, so that a new one is in both as soon
as it is in the API.  The saved state, which `Lab.attach` reads, names each by itself:
`lab.lab_as_json`.

"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, ForwardRef, NamedTuple

from playground.lab.declarations.told import METHODS
from playground.model import topology
from playground.model.containers.arguments import ContainerArguments
from playground.model.firewall import Match
from playground.model.links.bond import Bond
from playground.model.links.tunnel import Tunnel

# Types of JSON, as its schema names them (https://json-schema.org, draft 2020-12).
NULL, BOOLEAN, INTEGER, NUMBER, STRING = "null", "boolean", "integer", "number", "string"
ARRAY, OBJECT = "array", "object"

_PYTHONS: Mapping[str, tuple[type, ...]] = {
    NULL: (type(None),),
    BOOLEAN: (bool,),
    INTEGER: (int,),
    NUMBER: (int, float),
    STRING: (str,),
    ARRAY: (list,),
    OBJECT: (dict,),
}


def is_of(value: Any, kind: str) -> bool:
    """Whether a value that JSON or YAML gave is of a type of JSON; True is no number.

    >>> is_of(1, NUMBER), is_of(True, INTEGER), is_of(True, BOOLEAN)
    (True, False, True)

    """
    return isinstance(value, _PYTHONS[kind]) and isinstance(value, bool) == (kind == BOOLEAN)


_ONE_OR_MORE = (NULL, STRING, ARRAY, OBJECT)
_POLICY = (STRING, ARRAY, OBJECT)
# What a file may write for a value of each type of an annotation.
_TYPES: Mapping[str, tuple[str, ...]] = {
    "None": (NULL,),
    "bool": (BOOLEAN,),
    "int": (INTEGER,),
    "float": (INTEGER, NUMBER),
    "str": (STRING,),
    "bytes": (OBJECT,),
    "os.PathLike": (OBJECT,),
    "Path": (OBJECT,),
    "Sequence": (ARRAY,),
    "Iterable": (ARRAY,),
    "list": (ARRAY,),
    "tuple": (ARRAY,),
    "Mapping": (OBJECT,),
    "dict": (OBJECT,),
    "OneOrMore": _ONE_OR_MORE,
    "CommandLine": (STRING, ARRAY),
    "Command": (STRING, ARRAY),
    "Ready": (STRING, ARRAY),
    "Endpoints": (ARRAY,),
    "Files": (STRING, OBJECT),
    "Mailboxes": (OBJECT,),
    "Published": (INTEGER, STRING, ARRAY, OBJECT),
    "RuleEnd": (STRING,),
    "RoutePolicy": _POLICY,
    "PrefixList": _POLICY,
    "RouteMap": _POLICY,
    "Rule": (INTEGER,),
    "Vrf": (STRING,),
    **dict.fromkeys(("Address", "Network", "IPv4Address", "IPv6Network", "IPv4Network"), (STRING,)),
    **dict.fromkeys(("LinkBase", "MachineBase", "SwitchBase", "NodeBase"), (STRING,)),
}

_A_LINK = re.compile(r"\bLinkBase\b")
_A_NODE = re.compile(r"\b(MachineBase|SwitchBase|NodeBase|RuleEnd)\b")
_A_PATH = re.compile(r"\b(PathLike|Path|Files)\b")
_A_POLICY = re.compile(r"\b(RoutePolicy|PrefixList|RouteMap)\b")

# Where the annotation of a method says less than there is.
_SHAPES = {
    ("set_port", "link"): "LinkBase",
    ("mirror", "links"): "Sequence[LinkBase] | None",
    ("mirror", "to"): "LinkBase",
    ("bond", "links"): "Sequence[LinkBase]",
    ("bond", "primary"): "LinkBase | None",
    ("impair", "toward"): "NodeBase | None",
    ("queue", "toward"): "NodeBase | None",
    ("queue", "kind"): "str | None",
    ("classes", "toward"): "NodeBase | None",
    ("classes", "classes"): "Sequence[TrafficClass]",
    ("advertise", "prefix"): "str | Sequence[str] | None",
    ("advertise", "rdnss"): "str | MachineBase | Sequence[str | MachineBase] | None",
    ("ospf_area", "ranges"): "str | Sequence[str]",
    ("bgp_options", "aggregates"): "str | Sequence[str]",
}

_UNPACKED: Mapping[str, type] = {"ContainerArguments": ContainerArguments, "Match": Match}


class Argument(NamedTuple):
    """One argument: its ``shape`` is the annotation's text."""

    name: str
    shape: str
    needed: bool = False

    @property
    def types(self) -> tuple[str, ...]:
        """The types of JSON that it may be in a file; () for any."""
        found: list[str] = []
        for word in _union(self.shape):
            of_word = _TYPES.get(word.partition("[")[0])
            if of_word is None:
                return ()
            found += of_word
        return tuple(dict.fromkeys(found))

    @property
    def names_links(self) -> bool:
        """Whether a text in it may be a link."""
        return bool(_A_LINK.search(self.shape))

    @property
    def names_nodes(self) -> bool:
        """Whether a text in it may be a node."""
        return bool(_A_NODE.search(self.shape))

    @property
    def is_text_too(self) -> bool:
        """Whether a text in it may be neither."""
        return bool(re.search(r"\b(str|RuleEnd)\b", self.shape))

    @property
    def takes_paths(self) -> bool:
        """Whether {path: ...} in it is a path of this machine."""
        return bool(_A_PATH.search(self.shape))

    @property
    def is_path(self) -> bool:
        """Whether a text is a path of this machine."""
        return self.name == "build" or self.shape.startswith("Files")

    @property
    def takes_bytes(self) -> bool:
        """Whether {base64: ...} in it is bytes."""
        return "bytes" in self.shape or "Files" in self.shape

    @property
    def takes_policies(self) -> bool:
        """Whether {prefix_list: ...} and {route_map: ...} in it are policies."""
        return bool(_A_POLICY.search(self.shape))

    @property
    def takes_addresses(self) -> bool:
        """Whether {slaac: ...} in it is a way to an address."""
        return "OneOrMore" in self.shape

    @property
    def takes_classes(self) -> bool:
        """Whether it lists classes of traffic."""
        return "TrafficClass" in self.shape

    @property
    def takes_services(self) -> bool:
        """Whether it lists services."""
        return "ServiceSettings" in self.shape


CLASSES: Mapping[str, type] = {
    "host": topology.Host,
    "router": topology.Router,
    "switch": topology.Switch,
    "link": topology.Link,
    "tunnel": Tunnel,
    "bond": Bond,
}


@cache
def constructor_arguments(kind: str) -> Mapping[str, Argument]:
    """Return the arguments of a node beside its name, or of a link beside its nodes."""
    found = _arguments(kind, CLASSES[kind])
    return {name: one for name, one in found.items() if name not in ("name", "a", "b")}


@cache
def method_arguments(kind: str, method: str) -> Mapping[str, Argument]:
    """Return the arguments of a method of "host", "router", "switch" or "link"."""
    return _arguments(method, METHODS[kind][method])


def settings_arguments(settings: type) -> Mapping[str, Argument]:
    """Return the arguments of a service's settings."""
    return _arguments(settings.__name__, settings)


def _arguments(called: str, function: Callable[..., Any]) -> dict[str, Argument]:
    return {one.name: one for one in _each(called, function)}


def _each(called: str, function: Callable[..., Any]) -> Iterator[Argument]:
    for one in inspect.signature(function).parameters.values():
        shape = one.annotation if isinstance(one.annotation, str) else str(one.annotation)
        # What it is a method of.
        if one.name in ("self", "node") or shape == "QueuedLink":
            continue
        if one.kind is one.VAR_KEYWORD:
            for name, value in _UNPACKED[shape[len("Unpack[") : -1]].__annotations__.items():
                text = value.__forward_arg__ if isinstance(value, ForwardRef) else str(value)
                yield Argument(name, text)
            continue
        needed = one.default is one.empty and one.kind is not one.VAR_POSITIONAL
        yield Argument(one.name, _SHAPES.get((called, one.name), shape), needed)


def _union(shape: str) -> list[str]:
    """Return the members of a union, of which each may have brackets of its own."""
    found, depth = [""], 0
    for letter in shape:
        depth += (letter == "[") - (letter == "]")
        if letter == "|" and not depth:
            found.append("")
        else:
            found[-1] += letter
    return [word.strip() for word in found]
