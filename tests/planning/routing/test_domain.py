"""Domains: who hears whom by a protocol, and at what cost."""

from __future__ import annotations

from playground.model.topology import Router as Declared
from playground.operations.network import Link, Router, Switch
from playground.planning.planner import make_plan
from playground.planning.routing.domain import as_numbers


def test_a_passive_end_is_heard_by_nobody() -> None:
    a, b, c = (Router(name, routing="isis") for name in "abc")
    lan = Switch("lan")
    links = [Link(router, lan) for router in (a, b, c)]
    a.isis(links[0], passive=True)
    b.isis(links[1], metric=7)
    plan = make_plan([lan])
    assert [peer.node for peer in plan.node("a").neighbours] == []
    assert [(peer.node, peer.cost) for peer in plan.node("b").neighbours] == [("c", 7)]
    assert [item.cost for item in plan.node("b").announced] == [7]


def test_each_protocol_has_its_own_neighbours_on_a_network() -> None:
    lan = Switch("lan")
    a = Router("a", routing=("ospf", "isis"))
    b, c = Router("b", routing="ospf"), Router("c", routing="isis")
    for router in (a, b, c):
        Link(router, lan)
    found = make_plan([lan]).node("a").neighbours
    assert [(peer.protocol, peer.node) for peer in found] == [("ospf", "b"), ("isis", "c")]


def test_isis_needs_a_subnet_that_both_ends_share() -> None:
    a, b = Router("a", routing="isis"), Router("b", routing="isis")
    Link(a, b, addresses=("10.1.1.1/32", "10.2.1.1/32"))
    assert make_plan([a]).node("a").neighbours == ()


def test_systems_without_a_number_get_one_that_nobody_has() -> None:
    routers = [
        Declared("a", routing="bgp", as_number=64512),
        Declared("b", routing=("bgp", "ospf")),
        Declared("c", routing="ospf"),
    ]
    assert as_numbers(routers) == {routers[0]: 64512, routers[1]: 64513}
