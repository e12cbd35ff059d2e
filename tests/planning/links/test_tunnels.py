"""Tunnels of a lab as they are planned: endpoints, MTUs, names, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.links.tunnel import Tunnel
from playground.model.topology import Host, Link, Router, Switch
from playground.planning.difference import compare
from playground.planning.plan import Plan
from playground.planning.planner import make_plan


class Sites:
    """Two sites, each a router and a host, and a provider of two routers between them."""

    def __init__(self, **kind: Any) -> None:
        self.r1, self.r2 = Router("r1"), Router("r2")
        self.n1, self.n2 = Router("n1"), Router("n2")
        self.h1, self.h2 = Host("h1"), Host("h2")
        Link(self.h1, self.r1, subnet="192.168.1.0/24")
        Link(self.h2, self.r2, subnet="192.168.2.0/24")
        Link(self.r1, self.n1, subnet="10.0.1.0/24")
        Link(self.n1, self.n2, subnet="10.0.2.0/24")
        Link(self.n2, self.r2, subnet="10.0.3.0/24")
        self.tunnel = Tunnel(self.r1, self.r2, **(kind or {"kind": "gre"}))

    def plan(self, **options: Any) -> Plan:
        return make_plan([self.r1], **options)


@pytest.mark.parametrize(
    ("kind", "name", "mtu_bytes"),
    [
        ({"kind": "gre"}, "gre1", 1476),
        ({"kind": "gre", "key": 3}, "gre1", 1472),
        ({"kind": "ipip"}, "ipip1", 1480),
        ({"kind": "vxlan"}, "vxlan0", 1450),
        ({"kind": "vxlan", "mtu": 1300}, "vxlan0", 1300),
    ],
)
def test_its_interface_is_called_after_its_kind_and_its_mtu_is_derived(
    kind: dict[str, Any], name: str, mtu_bytes: int
) -> None:
    sites = Sites(**kind)
    one, other = (sites.plan().node(r).interfaces[-1] for r in ("r1", "r2"))
    assert (one.name, one.mtu_bytes) == (other.name, other.mtu_bytes) == (name, mtu_bytes)
    assert one.tunnel is not None and other.tunnel is not None
    assert (str(one.tunnel.local), str(one.tunnel.remote)) == ("10.0.1.1", "10.0.3.2")
    assert (other.tunnel.local, other.tunnel.remote) == (one.tunnel.remote, one.tunnel.local)
    # The network of the tunnel itself is the lab's next.
    assert [str(address) for address in one.addresses] == ["10.0.4.1/24"]
    assert bool(one.mac) == (kind["kind"] == "vxlan")


def test_traffic_between_the_sites_takes_the_tunnel_and_its_packets_the_network_below() -> None:
    plan = Sites().plan()
    routes = {str(route.destination): route for route in plan.node("r1").routes}
    assert routes["192.168.2.0/24"].interface == "gre1"
    # n2, at the far end of the network below, is nearer by the tunnel: its packets must not be.
    assert routes["10.0.3.2/32"].interface == "eth1"
    # Nor may a router on the way send them back into the tunnel.
    assert {route.interface for route in plan.node("n1").routes if "/32" in str(route)} <= {"eth1"}


def test_sit_has_addresses_of_ipv6_alone_and_ipip_none_of_them() -> None:
    for kind, version in (("sit", 6), ("ipip", 4)):
        for ipv6 in (False, True):
            interface = Sites(kind=kind).plan(ipv6=ipv6).node("r1").interfaces[-1]
            assert {address.version for address in interface.addresses} == {version}


def test_vxlans_without_a_number_get_the_next_and_keep_it() -> None:
    sites = Sites(kind="vxlan")
    Tunnel(sites.r1, sites.r2, kind="vxlan", vni=2)
    Tunnel(sites.r1, sites.n2, kind="vxlan")
    plan = sites.plan()
    there = [item.tunnel.number for item in plan.node("r1").interfaces if item.tunnel]
    assert there == [1, 2, 3]
    Tunnel(sites.r1, sites.n1, kind="vxlan", vni=4)
    grown = sites.plan(previous=plan)
    there = [item.tunnel.number for item in grown.node("r1").interfaces if item.tunnel]
    assert there == [1, 2, 3, 4]


def test_a_tunnel_stays_as_it_is_when_the_network_below_grows() -> None:
    sites = Sites()
    plan = sites.plan()
    Link(sites.r1, sites.r2)  # a shorter way
    grown = sites.plan(previous=plan)
    assert grown.node("r1").interfaces[2].tunnel == plan.node("r1").interfaces[2].tunnel
    assert not compare(plan, sites.plan(previous=plan)).wires_remove


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (lambda s: Tunnel(s.r1, s.r2, kind="gre"), "give both a key= of its own"),
        (lambda s: Tunnel(s.r1, Host("far"), kind="gre"), "no way of IPv4 leads from r1 to far"),
        (
            lambda s: Tunnel(s.r1, s.h2, kind="ipip", endpoints=("10.0.9.9", None)),
            "r1 has no address 10.0.9.9 that could be an endpoint; those of its links are 192",
        ),
    ],
)
def test_what_cannot_be_is_refused(more: Any, words: str) -> None:
    sites = Sites()
    with pytest.raises(TopologyError, match=words):
        more(sites)
        sites.plan()


def test_a_tunnel_that_would_have_to_pass_nat_is_refused_with_whom_it_would_meet() -> None:
    sites = Sites()
    lan, modem, home = Switch("lan"), Router("modem"), Host("home")
    modem.masquerade(Link(sites.n1, modem))
    for node in (modem, home):
        Link(lan, node)
    Tunnel(home, sites.r2, kind="ipip")
    with pytest.raises(TopologyError, match=r"modem lies between, which masquerades, .* end the"):
        sites.plan()


def test_too_little_is_left() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b, mtu=100)
    Tunnel(a, b, kind="vxlan")
    with pytest.raises(TopologyError, match=r"carries packets of 100 bytes.*adds 50.*nothing"):
        make_plan([a])


def test_as_shell_makes_it_in_its_nodes_after_the_cables() -> None:
    lines = Sites().plan().as_shell().splitlines()
    made = "link add gre1 mtu 1476 type gre local 10.0.1.1 remote 10.0.3.2 ttl 64"
    assert sum("type veth" in line for line in lines) == 5
    assert [line for line in lines if made in line] == [f"ip -n r1 {made}"]
