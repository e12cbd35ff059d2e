"""Taking a link out of what is declared, and putting it back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from playground.model.said_of_links import forget_links, said_of_links, without
from playground.model.switches import Mirror
from playground.model.topology import Link, Node, Router, Switch


@contextmanager
def taken_out(link: Link) -> Iterator[None]:
    """Take a link from its nodes; it is back where it was if the block raises.

    What was said of it goes along, before the block looks at what is left.

    """
    nodes = [end.node for end in link.ends]
    routers = routers_near(nodes)
    switches = [node for node in nodes if isinstance(node, Switch)]
    links = [(node, list(node.links)) for node in nodes]
    said = [(router, said_of_links(router)) for router in routers]
    ports = [(switch, dict(switch.port_settings), switch.mirrored) for switch in switches]
    for node in nodes:
        node.links.remove(link)
    for router in routers:
        _forget(router, (link, *link.attachments))
    for switch in switches:
        switch._port_settings = without(switch.port_settings, [link])
        switch._mirror = _without_link(switch.mirrored, link)
    try:
        yield
    except BaseException:
        for node, before in links:
            node.links[:] = before
        for router, known in said:
            vars(router).update(known)
        for switch, settings, mirror in ports:
            switch._port_settings, switch._mirror = settings, mirror
        raise


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
    forget_links(router, gone)
    near = routers_near([router])
    router.bgp_peers = {
        other: said
        for other, said in router.bgp_peers.items()
        if other in near or _same_system(router, other)
    }


def _without_link(mirror: Mirror | None, link: Link) -> Mirror | None:
    """Return what is left of a mirror; none that named links is one of all that enters."""
    if mirror is None or mirror.to is link:
        return None
    left = tuple(one for one in mirror.links if one is not link)
    return None if mirror.links and not left else Mirror(left, mirror.to)


def _same_system(router: Router, other: object) -> bool:
    number = router.as_number
    return number is not None and isinstance(other, Router) and other.as_number == number
