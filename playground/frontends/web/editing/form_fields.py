"""Fields of forms, made from the signatures of declarations.  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.errors import BadArgument
from playground.lab.declarations.signatures import (
    BOOLEAN,
    INTEGER,
    NUMBER,
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

# Reach out of the lab, or take functions: not for a page (`draft.refuse_new_reach`).
_NOT_HERE = frozenset((*REACHING_OUT, "links", "ready"))


@dataclass(frozen=True)
class Field:
    """One argument in a form: ``kind`` is "check", "count", "decimal" or "text".

    What is typed into a text is YAML, so that ``[http, ssh]`` is a list and ``80`` a number.

    """

    name: str
    kind: str
    usual: bool

    @property
    def label(self) -> str:
        """The argument as people read it, with its unit."""
        words = self.name.split("_")
        unit = {"ms": "ms", "mbit": "Mbit/s", "percent": "%", "bytes": "bytes", "s": "s"}
        if len(words) > 1 and words[-1] in unit:
            return f"{' '.join(words[:-1])} ({unit[words[-1]]})"
        return " ".join(words)


def fields_of(kind: str) -> tuple[Field, ...]:
    """Return the fields of "host", "router", "switch" or "link", the usual ones first.

    >>> fields_of("switch")[0]
    Field(name='subnet', kind='text', usual=True)

    """
    known = constructor_arguments(kind)
    usual = [name for name in _USUAL[kind] if name in known]
    others = [name for name in known if name not in usual]
    return tuple(_fields(known, usual, True)) + tuple(_fields(known, others, False))


def _fields(known: Mapping[str, Argument], names: list[str], usual: bool) -> Iterator[Field]:
    for name in names:
        if name not in _NOT_HERE:
            yield Field(name, _kind(known[name]), usual)


def _kind(argument: Argument) -> str:
    types = {one for one in argument.types if one != "null"}
    if types == {BOOLEAN}:
        return CHECK
    if types == {INTEGER}:
        return COUNT
    if types and types <= {INTEGER, NUMBER}:
        return DECIMAL
    return TEXT


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
        return parse_document(str(value).encode(), Path(field.label)).data
    except Exception as error:
        raise BadArgument(f"{field.label}: {str(value)[:60]!r} cannot be read: {error}") from error


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
