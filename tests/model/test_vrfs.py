"""VRFs as declared: what is refused at once, what replaces what, what goes with a link."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.model.said_of_links import forget_links
from playground.model.topology import Host, Link, Router


class Edge:
    """A router with four hosts."""

    def __init__(self) -> None:
        self.pe = Router("pe")
        self.links = [Link(self.pe, Host(f"h{number}")) for number in range(1, 5)]


@pytest.fixture
def edge() -> Edge:
    return Edge()


def test_a_vrf_is_read_back(edge: Edge) -> None:
    blue = edge.pe.vrf("blue", edge.links[:2])
    red = edge.pe.vrf("red", edge.links[2], routing=None)
    assert edge.pe.vrfs == {"blue": blue, "red": red}
    assert (blue.table, red.table) == (1001, 1002)
    assert repr(blue) == "<Vrf blue of pe: 2 links>"
    assert repr(red) == "<Vrf red of pe: 1 links, routing=None>"


def test_a_vrf_said_again_replaces_it_and_keeps_its_table(edge: Edge) -> None:
    first = edge.pe.vrf("red", edge.links[2:])
    edge.pe.vrf("blue", edge.links[:1])
    again = edge.pe.vrf("red", edge.links[1:2])
    assert (again.table, again.links) == (1001, (edge.links[1],))
    assert list(edge.pe.vrfs) == ["red", "blue"]
    first.remove()
    assert list(edge.pe.vrfs) == ["blue"]


@pytest.mark.parametrize(
    "name", ["", "1st", "no dots.", "lo", "all", "main", "relay7", "x" * 16, 7, None]
)
def test_a_name_that_is_no_interfaces_is_refused(edge: Edge, name: object) -> None:
    with pytest.raises(TopologyError, match=r"a VRF's name has up to 15 letters"):
        edge.pe.vrf(name, edge.links)  # type: ignore[arg-type]
    assert edge.pe.vrfs == {}


def test_a_link_is_in_one_vrf(edge: Edge) -> None:
    edge.pe.vrf("blue", edge.links[:2])
    with pytest.raises(TopologyError, match=r"is in the VRF blue already.*vrfs\['blue'\]\.remove"):
        edge.pe.vrf("red", edge.links[1:])
    with pytest.raises(TopologyError, match="not one of its links"):
        edge.pe.vrf("red", Link(Router("r2"), Host("h9")))
    with pytest.raises(TopologyError, match="is no list of links of pe"):
        edge.pe.vrf("red", "eth0")  # type: ignore[arg-type]
    assert list(edge.pe.vrfs) == ["blue"]


def test_a_router_translates_in_its_main_table_alone(edge: Edge) -> None:
    edge.pe.vrf("blue", edge.links[:2])
    with pytest.raises(TopologyError, match=r"is in the VRF blue, and masquerade\(\) is done in"):
        edge.pe.masquerade(edge.links[0])
    edge.pe.masquerade(edge.links[3])
    with pytest.raises(TopologyError, match="translates addresses on"):
        edge.pe.vrf("red", edge.links[2:])


@pytest.mark.parametrize("table", [0, 254, -1, "blue", 1.5, True])
def test_a_table_that_is_none_of_a_vrf_is_refused(edge: Edge, table: object) -> None:
    with pytest.raises(TopologyError, match="is no table of a VRF"):
        edge.pe.vrf("blue", edge.links, table=table)  # type: ignore[arg-type]


def test_two_vrfs_have_two_tables(edge: Edge) -> None:
    edge.pe.route("10.0.0.0/8", kind="blackhole", table=1001)
    assert edge.pe.vrf("blue", edge.links[:1]).table == 1002
    with pytest.raises(TopologyError, match="is that of the VRF blue"):
        edge.pe.vrf("red", edge.links[1:], table=1002)


def test_rip_is_not_spoken_in_a_vrf(edge: Edge) -> None:
    with pytest.raises(TopologyError, match='RIP is not spoken in VRFs here; use "ospf" or "bgp"'):
        edge.pe.vrf("blue", edge.links, routing="rip")


def test_a_leak_names_two_vrfs_of_the_router(edge: Edge) -> None:
    blue = edge.pe.vrf("blue", edge.links[:2])
    red = edge.pe.vrf("red", edge.links[2:3])
    leak = edge.pe.leak("10.9.0.0/24", source=red, into="blue")
    assert edge.pe.leak("10.9.0.0/24", source="red", into=blue) == leak
    assert edge.pe.leaks == (leak,)
    with pytest.raises(TopologyError, match=r"has no VRF 'green' \(it has: blue, red\)"):
        edge.pe.leak("10.9.0.0/24", source="green", into="blue")
    with pytest.raises(TopologyError, match="are the same VRF"):
        edge.pe.leak("10.9.0.0/24", source="red", into="red")
    with pytest.raises(TopologyError, match="takes a range of addresses"):
        edge.pe.leak("10.9.0.0.0", source="red", into="blue")
    edge.pe.remove_leak(leak)
    edge.pe.remove_leak(leak)
    assert edge.pe.leaks == ()


def test_leaks_go_with_a_vrf(edge: Edge) -> None:
    blue = edge.pe.vrf("blue", edge.links[:2])
    edge.pe.vrf("red", edge.links[2:3])
    edge.pe.leak("10.9.0.0/24", source="red", into="blue")
    kept = edge.pe.leak("10.8.0.0/24", source="red", into=None)
    blue.remove()
    blue.remove()
    assert list(edge.pe.vrfs) == ["red"]
    assert edge.pe.leaks == (kept,)


def test_a_link_that_is_gone_is_in_no_vrf(edge: Edge) -> None:
    edge.pe.vrf("blue", edge.links[:2])
    forget_links(edge.pe, [edge.links[0]])
    assert edge.pe.vrfs["blue"].links == (edge.links[1],)


def test_a_route_by_hand_is_in_the_table_of_a_vrf(edge: Edge) -> None:
    edge.pe.vrf("blue", edge.links[:2])
    assert edge.pe.route("10.5.0.0/16", via="10.0.1.2", vrf="blue").table == 1001
    assert edge.pe.route("10.6.0.0/16", link=edge.links[0]).table == 1001
    assert edge.pe.route("10.7.0.0/16", link=edge.links[3]).table is None
    with pytest.raises(TopologyError, match=r"pe has no VRF 'red' \(it has: blue\)"):
        edge.pe.route("10.5.0.0/16", via="10.0.1.2", vrf="red")
    with pytest.raises(TopologyError, match="is not in the VRF blue"):
        edge.pe.route("10.5.0.0/16", link=edge.links[3], vrf="blue")
    with pytest.raises(TopologyError, match="leave vrf= or table= out"):
        edge.pe.route("10.5.0.0/16", via="10.0.1.2", vrf="blue", table=5)
    with pytest.raises(TopologyError, match=r"h1 has no VRF 'blue' \(it has: none\)"):
        edge.links[0].ends[1].node.route("10.5.0.0/16", via="10.0.1.1", vrf="blue")
