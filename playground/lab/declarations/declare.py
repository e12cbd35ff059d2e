"""Nodes and links, declared as data says; what is refused is told with its place."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from playground.errors import PlaygroundError, TopologyError
from playground.lab.declarations.shapes import (
    Call,
    Declarations,
    FilePlace,
    LinkName,
    LinkSaid,
    NodeName,
    NodeSaid,
)
from playground.model.arguments import shown
from playground.operations.network import Bond, Host, Link, Node, Router, Switch, Tunnel

NODE_KINDS: Mapping[str, Callable[..., Node]] = {"host": Host, "router": Router, "switch": Switch}


class Declared:
    """The nodes and links that were declared, by name and by id."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.links: dict[str, Link] = {}

    def real(self, value: Any) -> Any:
        """Return an argument with nodes and links in the place of their names.

        Raises `TopologyError` for a name that nothing has.

        """
        if isinstance(value, NodeName):
            return self._find(self.nodes, value.name, "node")
        if isinstance(value, LinkName):
            link = self._find(self.links, value.id, "link")
            return link if value.vlan is None else link[value.vlan]
        if isinstance(value, Mapping):
            return {self.real(key): self.real(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.real(item) for item in value)
        return value

    def _find(self, known: Mapping[str, Any], name: str, what: str) -> Any:
        if name in known:
            return known[name]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known) or 'none'}"
        raise TopologyError(f"there is no {what} {shown(name)}: {hint}")


def declare(declarations: Declarations, known: Declared | None = None) -> Declared:
    """Declare all nodes, then all links, then what each was told.

    Links and calls may name what is ``known`` already, to which the new ones are added.  Raises
    `TopologyError`, with the place where there is one, for what cannot be.

    """
    found = Declared() if known is None else known
    for node in declarations.nodes:
        with told_where(node.place):
            found.nodes[node.name] = _node(node, found)
    for link in declarations.links:
        with told_where(link.place):
            made = _link(link, found)
            made.id = link.id
            found.links[link.id] = made
    for node in declarations.nodes:
        tell(found.nodes[node.name], node.calls, found)
    for link in declarations.links:
        tell(found.links[link.id], link.calls, found)
    return found


def _link(said: LinkSaid, found: Declared) -> Link:
    a, b = (found.real(NodeName(name)) for name in said.nodes)
    arguments = found.real(said.arguments)
    if "links" in arguments:
        made = Bond(*arguments.pop("links"), **arguments)
        if {end.node for end in made.ends} != {a, b}:
            raise TopologyError(
                f"the bond {said.id} joins {' and '.join(made.names)}, as its links do, and not "
                f"{a.name} and {b.name}: write the nodes of its links"
            )
        return made
    return (Tunnel if said.tunnel else Link)(a, b, **arguments)


def _node(said: NodeSaid, found: Declared) -> Node:
    if said.name in found.nodes:
        raise TopologyError(f"there are two nodes of the name {said.name}; call one otherwise")
    return NODE_KINDS[said.kind](said.name, **found.real(said.arguments))


def tell(part: Node | Link, calls: Iterable[Call], found: Declared) -> None:
    """Tell a node or a link what these calls say, in their order."""
    for call in calls:
        with told_where(call.place):
            function: Any = part
            for step in call.method.split("."):
                function = getattr(function, step)
            arguments = found.real(call.arguments)
            word = _POSITIONAL.get(call.method, "")
            positional = arguments.pop(word, None) or ()
            several = positional if isinstance(positional, (list, tuple)) else [positional]
            function(*several, **arguments)


# What takes several of something by position.
_POSITIONAL = {"mirror": "links", "classes": "classes"}


@contextlib.contextmanager
def told_where(place: FilePlace | None) -> Iterator[None]:
    """Let what is refused in this block say where it stands."""
    try:
        yield
    except PlaygroundError as error:
        if place is None or getattr(error, "_placed", False):
            raise
        placed = TopologyError(f"{place}: {error}")
        placed._placed = True  # type: ignore[attr-defined]
        raise placed from error
