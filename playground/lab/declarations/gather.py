"""Declarations of nodes and links, gathered as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from playground.lab.declarations.constructed import link_arguments, node_arguments, node_kind
from playground.lab.declarations.shapes import (
    Declarations,
    LinkName,
    LinkSaid,
    NodeSaid,
    unused_id,
)
from playground.lab.declarations.told import calls_of
from playground.model.parts import LinkBase
from playground.operations.network import Link, Node


def gather(nodes: Iterable[Node]) -> Declarations:
    """Return all that was declared of nodes and of the links between them.

    Each link has an id made of the names of its nodes.  `declare` is the way back.

    >>> home, h1 = Switch("home"), Host("h1")
    >>> link = Link(home, h1)
    >>> gather([home, h1]).links[0].id
    'home-h1'

    """
    nodes = sorted(nodes, key=lambda node: node.serial)
    links: list[Link] = sorted(
        {link for node in nodes for link in node.links}, key=lambda link: link.serial
    )
    ids = _ids(nodes, links)

    def name_of(link: LinkBase) -> LinkName:
        whole = getattr(link, "whole", None)
        if whole is None:
            return LinkName(ids[link])
        return LinkName(ids[whole], link.vlan)  # type: ignore[attr-defined]

    return Declarations(
        tuple(
            NodeSaid(node_kind(node), node.name, node_arguments(node), calls_of(node, name_of))
            for node in nodes
        ),
        tuple(
            LinkSaid(
                ids[link],
                link.names,
                link_arguments(link, name_of),
                calls_of(link, name_of),
                tunnel=link.tunnel is not None,
            )
            for link in links
        ),
    )


def _ids(nodes: Sequence[Node], links: Iterable[Link]) -> dict[LinkBase, str]:
    """Return what each link is called: as a file did, or by the names of its nodes."""
    links = list(links)
    found: dict[LinkBase, str] = {}
    taken = {node.name for node in nodes}
    for link in links:
        if link.id is not None and link.id not in taken:
            found[link] = link.id
            taken.add(link.id)
    for link in links:
        if link not in found:
            found[link] = unused_id("-".join(link.names), taken)
            taken.add(found[link])
    return found
