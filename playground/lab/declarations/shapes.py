"""Shapes in which a lab's declarations are data, each with its place in a file.

Whatever reads or writes labs speaks of these: our own file, the saved state of a running lab,
readers of other tools' files, and exports.  A declaration is a call of the Python API by name:
`Host` with its arguments, `Link`, `Router.masquerade`.  `gather` makes them of nodes, `declare`
makes nodes of them.

"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from playground.model.records import dataclass


@dataclass(frozen=True)
class FilePlace:
    """A place in a file: line and column count from 1, and 0 is not known."""

    file: str | Path
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        known = [str(number) for number in (self.line, self.column) if number]
        return ":".join([str(self.file), *known])


@dataclass(frozen=True)
class NodeName:
    """A node, where arguments name one."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class LinkName:
    """A link, where arguments name one: its id, and of a trunk which VLAN."""

    id: str
    vlan: int | None = None

    def __str__(self) -> str:
        return self.id if self.vlan is None else f"{self.id}[{self.vlan}]"


@dataclass(frozen=True)
class Call:
    """A call of one method of a node or link: "masquerade", or "firewall.drop"."""

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    place: FilePlace | None = None


@dataclass(frozen=True)
class NodeSaid:
    """A node as declared: ``kind`` is "host", "router" or "switch"."""

    kind: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    calls: tuple[Call, ...] = ()
    place: FilePlace | None = None


@dataclass(frozen=True)
class LinkSaid:
    """A link as declared; ``id`` is what others call it by, ``tunnel`` whether it is a `Tunnel`."""

    id: str
    nodes: tuple[str, str]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    calls: tuple[Call, ...] = ()
    place: FilePlace | None = None
    tunnel: bool = False


@dataclass(frozen=True)
class Declarations:
    """All that was declared of a lab's nodes and links, in order."""

    nodes: tuple[NodeSaid, ...] = ()
    links: tuple[LinkSaid, ...] = ()


def unused_id(first: str, taken: Collection[str]) -> str:
    """Return a link's id that is not taken yet, which begins with the names of its nodes.

    >>> unused_id("home-h1", {"home-h1"})
    'home-h1-2'

    """
    number, name = 1, first
    while name in taken:
        number += 1
        name = f"{first}-{number}"
    return name
