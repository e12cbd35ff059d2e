"""VNIs as declared: what is refused at once, what replaces what."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.model.said_of_links import forget_links
from playground.model.topology import Host, Link, Router


class Leaf:
    """A leaf with three hosts."""

    def __init__(self) -> None:
        self.leaf = Router("leaf", routing="bgp", loopback="10.10.10.1/32")
        self.links = [Link(self.leaf, Host(f"h{number}")) for number in range(1, 4)]


@pytest.fixture
def one() -> Leaf:
    return Leaf()


def test_a_vni_is_read_back_replaced_and_removed(one: Leaf) -> None:
    second = one.leaf.vni(200, one.links[2])
    first = one.leaf.vni(100, one.links[:2])
    assert one.leaf.vnis == {100: first, 200: second}
    assert repr(first) == "<Vni 100 of leaf: 2 links>"
    one.leaf.vni(100, one.links[:1])
    assert one.leaf.vnis[100].links == (one.links[0],)
    first.remove()
    first.remove()
    assert list(one.leaf.vnis) == [200]
    forget_links(one.leaf, one.links)
    assert one.leaf.vnis[200].links == ()


@pytest.mark.parametrize("number", [0, 2**24, -1, "100", 1.5, True, None])
def test_a_number_that_is_no_vni_is_refused(one: Leaf, number: object) -> None:
    with pytest.raises(TopologyError, match="a VNI is a number from 1 to 16777215"):
        one.leaf.vni(number, one.links)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "router",
    [
        Router("r1"),
        Router("r1", routing="bgp"),
        Router("r1", routing="ospf", loopback="10.10.10.1/32"),
        Router("r1", routing="bgp", loopback="2001:db8::1/128"),
    ],
    ids=["static", "no loopback", "ospf", "loopback of IPv6"],
)
def test_a_leaf_speaks_bgp_from_a_loopback_address(router: Router) -> None:
    with pytest.raises(TopologyError, match=r'routing="bgp", loopback="10.10.10.1/32"'):
        router.vni(100, Link(router, Host(f"h{router.serial}")))


def test_a_port_is_in_one_vni_and_no_vrf(one: Leaf) -> None:
    one.leaf.vni(100, one.links[:1])
    with pytest.raises(TopologyError, match="is in VNI 100 already"):
        one.leaf.vni(200, one.links)
    with pytest.raises(TopologyError, match="is a port of VNI 100"):
        one.leaf.vrf("blue", one.links)
    one.leaf.vrf("blue", one.links[2])
    with pytest.raises(TopologyError, match="is in a VRF"):
        one.leaf.vni(200, one.links[2])
    with pytest.raises(TopologyError, match="is no list of links"):
        one.leaf.vni(200, 7)  # type: ignore[arg-type]
    with pytest.raises(TopologyError, match="is a port of VNI 100"):
        one.leaf.masquerade(one.links[0])


def test_a_port_has_no_address(one: Leaf) -> None:
    link = Link(one.leaf, Host("h9"), addresses=("10.0.0.1/24", "10.0.0.2/24"))
    with pytest.raises(TopologyError, match="gives leaf an address, and a port of a bridge has"):
        one.leaf.vni(100, link)
    one.leaf.masquerade(one.links[0])
    with pytest.raises(TopologyError, match="is no plain cable"):
        one.leaf.vni(100, one.links)
