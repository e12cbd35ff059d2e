"""Taking a link out of what is declared, and putting it back."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from playground.model.topology import Link, Node, Router, Switch


@contextmanager
def taken_out(link: Link) -> Iterator[None]:
    """Take a link from its nodes; it is back where it was if the block raises."""
    nodes = [end.node for end in link.ends]
    before = [list(node.links) for node in nodes]
    said = [(node, node.bgp_peers, node.virtual_routers) for node in routers_near(nodes)]
    for node in nodes:
        node.links.remove(link)
    for router, _, _ in said:
        _forget(router, (link, *link.attachments))
    try:
        yield
    except BaseException:
        for node, links in zip(nodes, before, strict=True):
            node.links[:] = links
        for router, peers, shared in said:
            router.bgp_peers, router.virtual_routers = peers, shared
        raise
    for node in nodes:
        if isinstance(node, Router):
            for part in (link, *link.attachments):
                node.ospf_links.pop(part, None)
                node.bgp_links.pop(part, None)


def routers_near(nodes: Iterable[Node]) -> list[Router]:
    """Return the routers among nodes, and those that share a link or switches with them."""
    found = dict.fromkeys(nodes)
    queue = list(found)
    for node in queue:
        for link in node.links:
            other = link.peer(node).node
            if other not in found:
                found[other] = None
                if isinstance(other, Switch):
                    queue.append(other)
    return [node for node in found if isinstance(node, Router)]


def _forget(router: Router, gone: Collection[object]) -> None:
    """Let a router forget what it was told of links that are gone, and of peers behind them."""
    router.virtual_routers = tuple(
        dataclasses.replace(one, track=tuple(item for item in one.track if item[0] not in gone))
        for one in router.virtual_routers
        if one.link not in gone
    )
    near = routers_near([router])
    router.bgp_peers = {
        other: said
        for other, said in router.bgp_peers.items()
        if other in near or _same_system(router, other)
    }


def _same_system(router: Router, other: object) -> bool:
    number = router.as_number
    return number is not None and isinstance(other, Router) and other.as_number == number
