"""Fields of forms, made from the signatures of declarations.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.errors import BadArgument
from playground.lab.declarations.signatures import (
    ARRAY,
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    Argument,
    constructor_arguments,
)
from playground.lab.files.yaml_document import parse_document
from playground.model.containers.reaching_out import REACHING_OUT

CHECK, COUNT, DECIMAL, TEXT = "check", "count", "decimal", "text"

# Asked first, in this order; all others are below a fold.
_USUAL: Mapping[str, tuple[str, ...]] = {
    "host": ("services",),
    "router": ("routing", "services", "as_number"),
    "switch": ("subnet", "vlans", "stp"),
    "link": ("subnet", "address", "addresses", "vlan", "trunk", "delay_ms", "rate_mbit"),
}

LIST, MAPPING = "list", "mapping"
# What an empty field shows, by its name or its shape.
_EXAMPLES: Mapping[str, str] = {
    "services": "http, ssh",
    "subnet": "10.0.1.0/24",
    "vlans": "{10: 192.168.10.0/24, 20: 192.168.20.0/24}",
    "trunk": "10, 20",
    "address": "10.0.1.5/24",
    "addresses": "10.0.1.5/24, 10.0.1.1/24",
    "routing": "ospf",
    "env": "LANG=C, DEBUG=1",
    "sysctls": "net.ipv4.tcp_ecn=1",
    "extra_hosts": "printer=10.0.1.9",
    LIST: "one, two",
    MAPPING: "name=value, other=value",
}

# Reach out of the lab, or take functions: not for a page (`draft.refuse_new_reach`).
_NOT_HERE = frozenset((*REACHING_OUT, "links", "ready"))


@dataclass(frozen=True)
class Field:
    """One argument in a form: ``kind`` is "check", "count", "decimal" or "text".

    What is typed into a text is YAML, so that ``[http, ssh]`` is a list and ``80`` a number.  Of a
    text, ``shape`` is "list" or "mapping" where it takes no other.

    """

    name: str
    kind: str
    usual: bool
    shape: str = ""

    @property
    def label(self) -> str:
        """The argument as people read it, with its unit."""
        words = self.name.split("_")
        unit = {"ms": "ms", "mbit": "Mbit/s", "percent": "%", "bytes": "bytes", "s": "s"}
        if len(words) > 1 and words[-1] in unit:
            return f"{' '.join(words[:-1])} ({unit[words[-1]]})"
        return " ".join(words)

    @property
    def example(self) -> str:
        """What may be typed, where that is not plain; else ""."""
        return _EXAMPLES.get(self.name) or _EXAMPLES.get(self.shape, "")


def fields_of(kind: str) -> tuple[Field, ...]:
    """Return the fields of "host", "router", "switch" or "link", the usual ones first.

    >>> fields_of("switch")[0]
    Field(name='subnet', kind='text', usual=True, shape='')

    """
    known = constructor_arguments(kind)
    usual = [name for name in _USUAL[kind] if name in known]
    others = [name for name in known if name not in usual]
    return tuple(_fields(known, usual, True)) + tuple(_fields(known, others, False))


def _fields(known: Mapping[str, Argument], names: list[str], usual: bool) -> Iterator[Field]:
    for name in names:
        if name not in _NOT_HERE:
            yield Field(name, _kind(known[name]), usual, _shape(known[name]))


def _kind(argument: Argument) -> str:
    types = {one for one in argument.types if one != "null"}
    if types == {BOOLEAN}:
        return CHECK
    if types == {INTEGER}:
        return COUNT
    if types and types <= {INTEGER, NUMBER}:
        return DECIMAL
    return TEXT


def _shape(argument: Argument) -> str:
    types = set(argument.types)
    if ARRAY in types and not types & {STRING, OBJECT}:
        return LIST
    return MAPPING if OBJECT in types and not types & {STRING, ARRAY} else ""


def typed(field: Field, value: Any) -> Any:
    """Return what somebody typed as an argument; None where the field was left empty.

    Raises `BadArgument`, with the field's label, for what is no value.

    """
    if value is None or value == "" or (field.kind == CHECK and value is False):
        return None
    if field.kind == COUNT:
        if float(value) != int(value):
            raise BadArgument(f"{field.label}: {value} is no whole number")
        return int(value)
    if field.kind != TEXT:
        return value
    try:
        said = parse_document(str(value).encode(), Path(field.label)).data
    except Exception as error:
        raise BadArgument(f"{field.label}: {str(value)[:60]!r} cannot be read: {error}") from error
    if field.shape == LIST and isinstance(said, (str, int)) and not isinstance(said, bool):
        return [_scalar(part) for part in _parts(str(value))]
    if field.shape == MAPPING and isinstance(said, str):
        pairs = [part.partition("=") for part in _parts(str(value))]
        if not all(name.strip() and equals for name, equals, _ in pairs):
            raise BadArgument(
                f"{field.label}: {said[:60]!r} says no names with values: write {field.example}"
            )
        return {name.strip(): said.strip() for name, _, said in pairs}
    return said


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _scalar(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def shown(value: Any) -> Any:
    """Return an argument as it is shown in its field.

    >>> shown(["http", "ssh"])
    '[http, ssh]'

    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {shown(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(str(shown(item)) for item in value) + "]"
