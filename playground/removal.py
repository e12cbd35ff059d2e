"""Taking a link out of what is declared, and putting it back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from playground.plan import Plan, WirePlan
from playground.topology import Link, Router


@contextmanager
def taken_out(link: Link) -> Iterator[None]:
    """Take a link from its nodes; it is back where it was if the block raises."""
    nodes = [end.node for end in link.ends]
    before = [list(node.links) for node in nodes]
    for node in nodes:
        node.links.remove(link)
    try:
        yield
    except BaseException:
        for node, links in zip(nodes, before, strict=True):
            node.links[:] = links
        raise
    for node in nodes:
        if isinstance(node, Router):
            for part in (link, *link.attachments):
                node.ospf_links.pop(part, None)
                node.bgp_links.pop(part, None)


def without(plan: Plan, wire: WirePlan) -> Plan:
    """Return a plan without one wire and the interfaces at its ends.

    What is planned next on its base gives another link between the same nodes none
    of the names and addresses of this one.

    """
    gone = {(end.node, end.interface) for end in (wire.a, wire.b)}
    nodes = tuple(
        dataclasses.replace(
            node,
            interfaces=tuple(
                i
                for i in node.interfaces
                if not {(node.name, i.name), (node.name, i.parent)} & gone
            ),
        )
        for node in plan.nodes
    )
    wires = tuple(one for one in plan.wires if one is not wire)
    return dataclasses.replace(plan, nodes=nodes, wires=wires)
