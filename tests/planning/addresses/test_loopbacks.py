"""Addresses of a router's own: where they are, who tells of them, who reaches them."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from itertools import pairwise

import pytest

from playground.engines.seam import Engine
from playground.errors import TopologyError
from playground.lab.credentials import Credentials
from playground.lab.lab import Lab
from playground.lab.lab_as_json import load, save
from playground.model.services.frr import BGP, OSPF
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import make_plan
from tests.networks import Simulation


@pytest.mark.parametrize(
    ("loopback", "message"),
    [
        ("10.1.1.0/24", "all of 10.1.1.0/24 would be the node's own|is the name of the network"),
        ("10.1.1.7/24", r'all of 10.1.1.0/24 would be the node\'s own; write "10.1.1.7/32"'),
        ("2001:db8::1/64", r'write "2001:db8::1/128"'),
        ("ten", "'ten' is no address"),
        (7, "an address is written as a string"),
        ("127.0.0.2", "a loopback address, which never leaves the machine"),
        ("224.0.0.5/32", "a multicast address"),
        (["10.1.1.1", "10.1.1.1/32"], "has 10.1.1.1/32 twice"),
    ],
)
def test_what_is_no_address_of_one_node_is_refused(loopback: object, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        Router("r1", loopback=loopback)  # type: ignore[arg-type]


def two(first: str, second: str | None = None) -> Router:
    a, b = Router("a", loopback=first), Router("b", loopback=second)
    Link(a, b, subnet="10.1.0.0/24")
    return a


def test_hosts_may_share_an_address_and_static_routes_lead_to_the_nearest() -> None:
    r1, r2 = Router("r1"), Router("r2")
    anna, ben = Host("anna"), Host("ben")
    east, west = (Host(name, loopback="192.0.2.53/32") for name in ("east", "west"))
    Link(r1, r2)
    for router, hosts in ((r1, (anna, east)), (r2, (ben, west))):
        for host in hosts:
            Link(router, host)
    plan = make_plan([r1])
    shared = ip_network("192.0.2.53/32")
    gateways = {
        name: str(plan.node(host).interfaces[0].addresses[0].ip)
        for name, host in (("r1", "east"), ("r2", "west"))
    }
    for name in ("r1", "r2"):
        [route] = [item for item in plan.node(name).routes if item.destination == shared]
        assert str(route.via) == gateways[name]
    assert not any(item.destination == shared for item in plan.node("east").routes)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (lambda: two("10.9.9.9", "10.9.9.9/32"), "b and a both have the loopback address"),
        (lambda: two("10.1.0.2"), "loopback address 10.1.0.2/32 is that of b on a--b already"),
        (lambda: two("10.1.0.77"), r"lies in the subnet 10.1.0.0/24 of a--b"),
    ],
)
def test_an_address_of_somebody_else_is_refused(node: Callable[[], Router], message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        make_plan([node()])


def test_subnets_are_chosen_round_them() -> None:
    a, b = Router("a", loopback="10.0.1.1"), Router("b", loopback="2001:db8:0:2::1")
    Link(a, b)
    [interface, _] = make_plan([a], ipv6=True).node("a").interfaces
    # Not 10.0.1.0/24, and in IPv6 not the /64 of the same number.
    assert [str(item.network) for item in interface.addresses] == [
        "10.0.2.0/24",
        "2001:db8:0:1::/64",
    ]


def test_two_homes_may_have_the_same() -> None:
    isp = Router("isp")
    for name in ("one", "two"):
        modem = Router(name, loopback="192.168.7.7")
        Link(modem, Switch(f"home-{name}", subnet="192.168.1.0/24"))
        modem.masquerade(Link(isp, modem))
    make_plan([isp])


def test_static_routes_lead_there_by_the_shortest_way() -> None:
    routers = [Router(f"r{number}", loopback=f"10.9.9.{number}") for number in range(4)]
    for one, other in pairwise(routers):
        Link(one, other)
    lone = Router("lone", routing=None, loopback="10.9.9.9")
    Link(routers[3], lone)
    host = Host("h", loopback="10.8.8.8")
    Link(routers[0], host)
    simulation = Simulation(make_plan(routers))
    assert simulation.send("h", ip_address("10.9.9.3")) == ["h", "r0", "r1", "r2", "r3"]
    assert simulation.send("r3", ip_address("10.9.9.0")) == ["r3", "r2", "r1", "r0"]
    assert simulation.send("r3", ip_address("10.8.8.8")) == ["r3", "r2", "r1", "r0", "h"]
    assert simulation.send("h", ip_address("10.9.9.9"))[-1] == "lone"


def test_it_is_the_name_of_the_router_and_where_its_sessions_end() -> None:
    a = Router("a", routing="bgp", as_number=64512, loopback=("10.9.9.1", "2001:db8:9::1"))
    b = Router("b", routing="bgp", as_number=64512, loopback="10.9.9.2/32")
    Link(a, b)
    node = make_plan([a]).node("a")
    texts = {
        item.service: item.configuration for item in node.services if isinstance(item, (OSPF, BGP))
    }
    assert "ospf router-id 10.9.9.1" in texts["ospf"]
    assert "bgp router-id 10.9.9.1" in texts["bgp"]
    assert "neighbor 10.9.9.2 update-source 10.9.9.1" in texts["bgp"]


def test_they_are_saved_and_drawn_and_typed_by_hand() -> None:
    a = Router("a", loopback=["10.9.9.1", "2001:db8:9::1/128"])
    b = Host("b", loopback="10.9.9.2/32")
    Link(a, b)
    assert repr(a) == "Router('a', loopback=['10.9.9.1/32', '2001:db8:9::1/128'])"
    plan = make_plan([a])
    loaded = load(save((a, b), plan, Credentials.make(None)))
    assert loaded.plan == plan
    assert make_plan(loaded.nodes) == plan
    assert "address add 10.9.9.1/32 dev lo" in plan.as_shell()
    assert "10.9.9.1" in str(Lab(a)) and "lo 10.9.9.1" in Lab(a).picture().svg()


def test_everybody_reaches_them_by_whatever_finds_the_ways(engine: Engine) -> None:
    """Two OSPF routers, two BGP systems beside them, and one with static routes."""
    kinds = [("ospf", None), ("ospf", None), ("bgp", 1), ("bgp", 1), ("bgp", 2), ("static", None)]
    routers = [
        Router(
            f"r{number}",
            routing=routing,
            as_number=system,
            loopback=(f"10.9.9.{number}", f"2001:db8:9::{number}"),
        )
        for number, (routing, system) in enumerate(kinds)
    ]
    for one, other in pairwise(routers):
        Link(one, other)
    host, far = Host("h"), Host("far", loopback="10.8.8.8")
    Link(host, routers[0])
    Link(routers[-1], far)
    with Lab(host, ipv6=True, quiet=True):
        wanted = [str(item.ip) for router in routers for item in router.loopback]
        for node in (host, routers[0], routers[2], far):
            for address in (*wanted, "10.8.8.8"):
                node.run(f"ping -c 1 -W 2 {address}")
        assert [str(item) for item in routers[0].interfaces["lo"].addresses] == [
            "10.9.9.0/32",
            "2001:db8:9::/128",
        ]


def test_routers_that_speak_may_share_an_address_that_is_not_their_first() -> None:
    shared = "192.0.2.53/32"
    a, b = (
        Router(name, routing="ospf", loopback=[own, shared])
        for name, own in (("a", "10.255.0.1/32"), ("b", "10.255.0.2/32"))
    )
    Link(a, b)
    plan = make_plan([a])
    for name in ("a", "b"):
        assert [str(item) for item in plan.node(name).interfaces[-1].addresses][1] == shared
    silent = Router("c", loopback=["10.255.0.3/32", shared])
    Link(b, silent)
    with pytest.raises(TopologyError, match=r"may share one \(anycast\)"):
        make_plan([a])
