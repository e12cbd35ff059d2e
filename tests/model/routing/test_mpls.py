"""Labels as declared: on which links, and by whom."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.model.said_of_links import forget_links
from playground.model.topology import Host, Link, Router


def test_links_are_replaced_forgotten_and_read_back() -> None:
    r1 = Router("r1", routing="ospf", loopback="10.10.10.1/32")
    links = [Link(r1, Host(f"h{n}")) for n in (1, 2, 3)]
    r1.mpls(links)
    r1.mpls(links[:2])
    assert r1.mpls_links == tuple(links[:2])
    forget_links(r1, links[:1])
    assert r1.mpls_links == (links[1],)
    r1.mpls(links[2])
    r1.mpls(())
    assert r1.mpls_links == ()


@pytest.mark.parametrize(
    "router",
    [
        Router("r1", routing="ospf"),
        Router("r1", loopback="10.10.10.1/32"),
        Router("r1", routing="bgp", loopback="10.10.10.1/32"),
        Router("r1", routing="ospf", loopback="2001:db8::1/128"),
    ],
    ids=["no loopback", "static", "bgp", "loopback of IPv6"],
)
def test_labels_need_ways_and_an_address_that_is_always_there(router: Router) -> None:
    link = Link(router, Host(f"h{router.serial}"))
    with pytest.raises(TopologyError, match=r'routing="ospf", loopback="10.10.10.1/32"'):
        router.mpls(link)
    assert router.mpls_links == ()


def test_only_links_of_the_router_can_be_named() -> None:
    r1 = Router("r1", routing="ospf", loopback="10.10.10.1/32")
    with pytest.raises(TopologyError, match="is no list of links"):
        r1.mpls("eth0")  # type: ignore[arg-type]
    with pytest.raises(TopologyError, match="not one of its links"):
        r1.mpls(Link(Router("r2"), Host("h2")))
