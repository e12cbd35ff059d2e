"""VRFs that keep two nodes apart are found, with the router that has them."""

from __future__ import annotations

from playground.model.topology import Host, Link, Router
from playground.planning.addresses.parts_apart import keeping_apart


def test_a_router_is_named_with_the_vrf_of_each() -> None:
    pe, ce = Router("pe"), Router("ce")
    h1, h2, h3, h4 = hosts = [Host(f"h{number}") for number in range(1, 5)]
    links = [Link(pe, host) for host in hosts[:3]]
    Link(ce, h4)
    far = Link(pe, ce)
    pe.vrf("blue", links[:1])
    pe.vrf("red", [links[1], far])
    nodes = [pe, ce, *hosts]
    assert keeping_apart(h1, h4, nodes) == ("pe", "blue", "red")
    assert keeping_apart(h4, h3, nodes) == ("pe", "red", None)
    assert keeping_apart(h2, h4, nodes) is None
    assert keeping_apart(pe, h4, nodes) is None


def test_who_hangs_on_nothing_of_theirs_is_kept_apart_by_nobody() -> None:
    pe, h1, h2 = Router("pe"), Host("h1"), Host("h2")
    pe.vrf("blue", Link(pe, h1))
    Link(h2, Router("r9"))
    assert keeping_apart(h1, h2, [pe, h1, h2, h2.links[0].peer(h2).node]) is None
