"""Taking a link out of what is declared, and putting it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playground.model.topology import Link, Router


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
