"""Routers that were told in FRR's words: who may become neighbours, and when they are done."""

from __future__ import annotations

import time

from playground.engines.namespaces.engine import NamespacesEngine
from playground.lab.lab import Lab
from playground.lab.routing.own_words import own_words, possible_neighbours
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import make_plan
from tests.facts import assert_can_ping

OSPF = "router ospf\n network 0.0.0.0/0 area 0\n"
BGP = (
    "router bgp {own}\n no bgp ebgp-requires-policy\n"
    " neighbor 10.2.0.{end} remote-as {other}\n"
    " address-family ipv4 unicast\n  redistribute connected\n"
)


def test_routers_that_speak_a_protocol_on_one_network_may_be_neighbours() -> None:
    lan = Switch("lan")
    a, b = Router("a", frr=OSPF), Router("b", routing="ospf")
    c, h = Router("c", frr="ip route 10.9.0.0/16 blackhole\n"), Host("h")
    for node in (a, b, c, h):
        Link(lan, node)
    plan = make_plan([lan])
    assert [node.name for node in own_words(plan, ["a", "b", "c", "h"])] == ["a"]
    [peer] = possible_neighbours(plan).node("a").neighbours
    assert (peer.protocol, peer.node, peer.interface) == ("ospf", "b", "eth0")
    assert peer.address == plan.node("b").interfaces[0].addresses[0].ip


def test_a_cable_that_is_out_joins_nobody() -> None:
    a, b = Router("a", frr=OSPF), Router("b", frr=OSPF)
    link = Link(a, b)
    assert possible_neighbours(make_plan([a])).node("a").neighbours != ()
    link.down()
    assert possible_neighbours(make_plan([a])).node("a").neighbours == ()


def pair(*numbers: int) -> list[Router]:
    """Two routers that speak BGP in FRR's words; the numbers are what each takes for its peer's."""
    r1 = Router("r1", frr=BGP.format(own=1, end=2, other=numbers[0]))
    r2 = Router("r2", frr=BGP.format(own=2, end=1, other=numbers[1]))
    Link(Host("h1"), r1, subnet="10.1.0.0/24")
    Link(r1, r2, addresses=("10.2.0.1/24", "10.2.0.2/24"))
    Link(r2, Host("h2"), subnet="10.3.0.0/24")
    return [r1, r2]


def test_neighbours_by_their_interfaces_are_waited_for_too(
    namespaces_engine: NamespacesEngine,
) -> None:
    words = (
        "router bgp {0}\n no bgp ebgp-requires-policy\n"
        " neighbor eth1 interface remote-as external\n"
        " address-family ipv4 unicast\n  redistribute connected\n"
    )
    awake = {"net.ipv6.conf.all.disable_ipv6": 0}
    r1, r2 = (Router(f"r{n}", frr=words.format(n), sysctls=awake) for n in (1, 2))
    Link(Host("h1"), r1, subnet="10.1.0.0/24"), Link(r2, Host("h2"), subnet="10.3.0.0/24")
    Link(r1, r2, addresses=None, names=("eth1", "eth1"))
    peers = possible_neighbours(make_plan([r1])).node("r2").neighbours
    assert [(peer.protocol, peer.interface, peer.node) for peer in peers] == [("bgp", "eth1", "r1")]
    with Lab(r1, name="words", quiet=True, engine=namespaces_engine):
        assert "10.3.0.0/24" in {str(route.destination) for route in r1.routes()}


def test_a_lab_starts_when_their_routes_are_there(namespaces_engine: NamespacesEngine) -> None:
    with Lab(*pair(2, 1), name="words", quiet=True, engine=namespaces_engine) as lab:
        assert_can_ping(lab["h1"], "10.3.0.2")
        assert lab.wait_converged() < 5


def test_nobody_waits_for_what_will_never_be(namespaces_engine: NamespacesEngine) -> None:
    began = time.monotonic()
    with Lab(*pair(3, 1), name="words", quiet=True, engine=namespaces_engine) as lab:
        assert time.monotonic() - began < 50  # a minute is what they would have
        assert "10.3.0.0/24" not in {str(route.destination) for route in lab["r1"].routes()}
