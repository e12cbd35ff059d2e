"""VRFs in labs: customers of one router are kept apart, whatever their addresses are."""

from __future__ import annotations

import pytest

from playground.engines.namespaces.engine import NamespacesEngine
from playground.errors import EngineError
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Router
from tests import second_kernel
from tests.facts import assert_can_ping, assert_cannot_ping, assert_path


class TwoCustomers:
    """A router with two customers of the same addresses, and a server for both."""

    def __init__(self) -> None:
        self.pe, self.server = Router("pe"), Host("server")
        self.blue1, self.blue2, self.red1, self.red2 = (
            Host(name) for name in ("blue1", "blue2", "red1", "red2")
        )
        self.ce = Router("ce")  # of the red customer, before its second site
        self.links = [
            Link(self.pe, self.blue1, subnet=["10.1.0.0/24", "2001:db8:1::/64"]),
            Link(self.pe, self.blue2, subnet=["10.2.0.0/24", "2001:db8:2::/64"]),
            Link(self.pe, self.red1, subnet="10.1.0.0/24"),
            Link(self.pe, self.ce, subnet="10.3.0.0/24"),
            Link(self.pe, self.server, subnet="10.9.0.0/24"),
        ]
        Link(self.ce, self.red2, subnet="10.2.0.0/24")
        self.pe.vrf("blue", self.links[:2])
        self.pe.vrf("red", self.links[2:4])


@pytest.mark.second_kernel
def test_a_kernel_without_vrfs_is_told_which_module(namespaces_engine: NamespacesEngine) -> None:
    two = Lab(TwoCustomers().pe, name="vrf-refused", quiet=True, engine=namespaces_engine)
    if "vrf" in second_kernel.lacking():
        words = r"the VRF blue of pe, the VRF red of pe cannot be made, .* no vrf .*modprobe vrf"
        with pytest.raises(EngineError, match=words):
            two.start()
    else:
        with two:
            assert two["pe"].routes(vrf="blue")


@pytest.mark.second_kernel("vrf")
def test_customers_of_the_same_addresses_reach_their_own(
    namespaces_engine: NamespacesEngine,
) -> None:
    two = TwoCustomers()
    pe = two.pe
    with Lab(pe, name="vrf-two", quiet=True, engine=namespaces_engine) as lab:
        assert_can_ping(two.blue1, two.blue2)
        assert_can_ping(two.blue1, "2001:db8:2::2")
        assert_path(two.red1, two.red2, "10.1.0.1", "10.3.0.2", "10.2.0.2")
        assert_cannot_ping(two.blue1, "10.3.0.2")
        assert_cannot_ping(two.red1, "10.9.0.2")
        # The router's own packets take the table that they are sent by.
        assert pe.ping("10.3.0.2", vrf="red", count=1).received == 1
        assert pe.ping("10.3.0.2", vrf="blue", count=1).received == 0
        assert pe.ping("10.3.0.2", count=1).received == 0
        assert pe.traceroute("10.2.0.2", vrf="red").hops == ["10.3.0.2", "10.2.0.2"]
        assert pe.traceroute("10.2.0.2", vrf="blue").hops == ["10.2.0.2"]
        # Tables are read apart.
        red = {str(route.destination): route.interface for route in pe.routes(vrf="red")}
        assert {name: hop for name, hop in red.items() if ":" not in name} == {
            "0.0.0.0/0": None,  # what it does not know is unreachable
            "10.1.0.0/24": "eth2",
            "10.2.0.0/24": "eth3",
            "10.3.0.0/24": "eth3",
        }
        # Who wonders is told which table has no way, and which has one.
        apart = lab.explain(two.blue1, "10.3.0.2")
        assert (apart.cause, apart.node) == ("no route", "pe")
        assert "that VRF has no route to 10.3.0.2.  The VRF red has one" in apart.sentence
        assert 'pe.leak("10.3.0.0/24", source="red", into="blue")' in apart.advice
        unnamed = lab.explain(two.blue1, two.red2)
        assert "pe keeps blue1 and red2 apart" in unnamed.sentence
        # Leaks, there and back again.
        back = pe.leak("10.1.0.0/24", source="blue", into=None)
        table = pe.vrfs["blue"].table
        there = pe.route("10.9.0.0/24", link=two.links[4], table=table)
        assert_can_ping(two.blue1, "10.9.0.2")
        assert_cannot_ping(two.red1, "10.9.0.2")
        steps = str(lab.explain(two.blue1, "10.9.0.2"))
        assert "10.9.0.0/24 dev eth4 (static) in the VRF blue" in steps
        assert "10.1.0.0/24 dev blue (static), looked up again in the VRF blue: dev eth0" in steps
        there.remove()
        pe.remove_leak(back)
        assert_cannot_ping(two.blue1, "10.9.0.2")


@pytest.mark.second_kernel("vrf")
def test_links_move_between_vrfs_while_a_lab_runs(namespaces_engine: NamespacesEngine) -> None:
    pe, h1, h2, h3 = Router("pe"), Host("h1"), Host("h2"), Host("h3")
    links = [
        Link(pe, host, subnet=[f"10.{n}.0.0/24", f"2001:db8:{n}::/64"])
        for n, host in enumerate((h1, h2, h3), start=1)
    ]
    with Lab(pe, name="vrf-moves", quiet=True, engine=namespaces_engine) as lab:
        assert_can_ping(h1, h2)
        blue = pe.vrf("blue", links[:1])
        assert_cannot_ping(h1, "10.2.0.2")
        assert_can_ping(h2, h3)
        assert_can_ping(h1, "10.1.0.1")
        pe.vrf("blue", links[:2])
        assert_can_ping(h1, "10.2.0.2")
        assert_can_ping(h1, "2001:db8:2::2")
        assert_cannot_ping(h2, "10.3.0.2")
        # What goes down and comes back is where it was.
        links[1].down()
        links[1].up()
        assert_can_ping(h1, "10.2.0.2")
        blue.remove()
        assert_can_ping(h1, "10.3.0.2")
        assert_can_ping(h3, "2001:db8:1::2")
        assert {route.table for route in pe.routes()} == {"main"}
        assert lab.explain(h1, h3).ok


@pytest.mark.second_kernel("vrf")
def test_customers_are_found_by_protocols_each_in_its_vrf(
    namespaces_engine: NamespacesEngine,
) -> None:
    pe, blue, red = Router("pe"), Router("blue-ce", routing="ospf"), Router("red-ce", routing="bgp")
    hosts = [Host(f"h{number}") for number in range(1, 5)]
    links = []
    for number, edge in enumerate((blue, red)):
        Link(edge, hosts[2 * number], subnet="10.1.0.0/24")
        links.append(Link(pe, edge, subnet="10.100.0.0/30"))
        links.append(Link(pe, hosts[2 * number + 1], subnet="10.2.0.0/24"))
    pe.vrf("blue", links[:2], routing="ospf")
    pe.vrf("red", links[2:], routing="bgp", as_number=64600)
    with Lab(pe, name="vrf-daemons", quiet=True, engine=namespaces_engine) as lab:
        for near in (hosts[0], hosts[2]):
            assert_path(near, "10.2.0.2", "10.1.0.1", "10.100.0.1", "10.2.0.2")
        found = {
            vrf: {r.protocol for r in pe.routes(vrf=vrf) if str(r.destination) == "10.1.0.0/24"}
            for vrf in ("blue", "red")
        }
        assert found == {"blue": {"ospf"}, "red": {"bgp"}}
        # What leaks into a VRF, its neighbours are told.
        pe.leak("10.1.0.0/16", source="red", into="blue")
        lab.wait_converged()
        assert "10.1.0.0/16" in {str(r.destination) for r in blue.routes()}
