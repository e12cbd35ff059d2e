"""Routers of several protocols: what each protocol is told that another has found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from playground.engines.seam import Engine
from playground.errors import TopologyError
from playground.lab.convergence import refuse_split
from playground.lab.lab import Lab
from playground.model.routing.policy import PrefixList
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.plan import Plan
from playground.planning.planner import make_plan
from tests.facts import assert_can_ping


def between(first: str = "ospf", second: str = "rip", **more: Any) -> list[Router]:
    """A router of each protocol, with a network behind it, and one of both between them."""
    a, c = Router("a", routing=first), Router("c", routing=second)
    b = Router("b", routing=(first, second), **more)
    Link(a, b, subnet="10.1.0.0/24")
    Link(b, c, subnet="10.2.0.0/24")
    Link(a, Host("h1"), subnet="10.3.0.0/24")
    Link(c, Host("h2"), subnet="10.4.0.0/24")
    return [a, b, c]


def told(plan: Plan, node: str, service: str) -> list[str]:
    [text] = [item for item in plan.node(node).services if item.service == service]
    lines = text.configuration.splitlines()  # type: ignore[attr-defined]
    return [line.strip() for line in lines if "redistribute" in line or "default-info" in line]


def missed(plan: Plan, node: str) -> tuple[list[str], list[str]]:
    its = plan.node(node)
    return list(map(str, its.covered)), list(map(str, its.withheld))


@pytest.mark.parametrize("first", ["ospf", "isis"])
def test_each_protocol_is_told_of_what_the_other_finds(first: str) -> None:
    plan = make_plan(between(first))
    word = " ".join(["redistribute", *(["ipv4"] if first == "isis" else []), "rip"])
    assert told(plan, "b", first)[0].startswith(word)
    assert told(plan, "b", "rip") == [f"redistribute {first}"]
    for name in ("a", "b", "c"):
        assert missed(plan, name) == ([], [])
        assert plan.node(name).routes == ()


def test_what_is_not_handed_on_is_not_waited_for() -> None:
    plan = make_plan(between(redistribute={"ospf": [], "rip": ["ospf"]}))
    assert told(plan, "b", "ospf") == []
    # Of its own links a router tells in each protocol.
    assert missed(plan, "a") == ([], ["10.4.0.0/24"])
    assert missed(plan, "c") == ([], [])


def test_a_default_route_leads_to_what_is_not_handed_on() -> None:
    plan = make_plan(between(redistribute={"ospf": ["default"], "rip": ["ospf"]}))
    assert told(plan, "b", "ospf") == ["default-information originate always"]
    assert missed(plan, "a") == (["10.4.0.0/24"], [])
    assert missed(plan, "b") == ([], [])


def test_a_filter_chooses_what_is_handed_on() -> None:
    some = PrefixList("some", "deny 10.4.0.0/24", "0.0.0.0/0 le 32")
    plan = make_plan(between(redistribute={"ospf": {"rip": some}}))
    assert told(plan, "b", "ospf")[0].startswith("redistribute rip route-map ")
    assert told(plan, "b", "rip") == ["redistribute ospf"]  # where nothing is said, all
    assert missed(plan, "a") == ([], ["10.4.0.0/24"])


def test_what_one_hands_on_another_hands_on_further() -> None:
    routers = between()
    d, e = Router("d", routing=("rip", "isis")), Router("e", routing="isis")
    Link(routers[2], d)
    Link(d, e)
    Link(e, Host("h3"), subnet="10.5.0.0/24")
    plan = make_plan(routers)
    assert all(missed(plan, name) == ([], []) for name in "abcde")
    closed = between()
    d = Router("d", routing=("rip", "isis"), redistribute={"isis": [], "rip": []})
    e = Router("e", routing="isis")
    Link(closed[2], d)
    Link(d, e)
    Link(e, Host("h3"), subnet="10.5.0.0/24")
    plan = make_plan(closed)
    assert missed(plan, "a") == ([], ["10.5.0.0/24"])
    assert "10.3.0.0/24" in missed(plan, "e")[1]


def test_two_routers_that_would_hand_networks_back_are_refused() -> None:
    routers = between()
    second = Router("b2", routing=("ospf", "rip"))
    Link(routers[0], second)
    Link(second, routers[2])
    with pytest.raises(TopologyError, match="b and b2 both join ospf and rip, and would hand each"):
        make_plan(routers)
    safe = between(redistribute={"ospf": ["rip"], "rip": ["default"]})
    second = Router("b2", routing=("ospf", "rip"), redistribute={"ospf": ["rip"], "rip": []})
    Link(safe[0], second)
    Link(second, safe[2])
    make_plan(safe)


def system(**more: Any) -> list[Router]:
    """A system with a router of OSPF alone between two that speak BGP with others."""
    e1, e2 = (Router(n, routing=("ospf", "bgp"), as_number=65001, **more) for n in ("e1", "e2"))
    core = Router("core", routing="ospf")
    x, y = (Router(n, routing="bgp", as_number=a) for n, a in (("x", 65002), ("y", 65003)))
    Link(x, e1, subnet="10.1.0.0/24")
    Link(e1, core, subnet="10.2.0.0/24")
    Link(core, e2, subnet="10.3.0.0/24")
    Link(e2, y, subnet="10.4.0.0/24")
    for number, router in enumerate((x, core, y), 5):
        Link(router, Host(f"h{number}"), subnet=f"10.{number}.0.0/24")
    return [x, e1, core, e2, y]


def test_a_system_is_one_where_another_protocol_joins_it() -> None:
    plan = make_plan(system())
    refuse_split(plan)
    [text] = [item for item in plan.node("e1").services if item.service == "bgp"]
    lines = [line.strip() for line in text.configuration.splitlines()]  # type: ignore[attr-defined]
    assert "neighbor 10.3.0.2 remote-as 65001" in lines
    # BGP is told of the networks inside by their names, and of nothing that came by BGP.
    named = {line for line in lines if line.startswith("network ")}
    assert {"network 10.6.0.0/24", "network 10.3.0.0/24"} <= named
    assert "network 10.5.0.0/24" not in named
    assert [line for line in lines if line.startswith("redistribute")] == []
    assert told(plan, "e1", "ospf") == ["redistribute bgp"]
    assert all(missed(plan, one.name) == ([], []) for one in plan.nodes)


def test_inside_of_a_system_a_default_route_is_enough() -> None:
    plan = make_plan(system(redistribute={"ospf": ["default"]}))
    assert missed(plan, "core")[0] == ["10.5.0.0/24", "10.7.0.0/24"]


@pytest.fixture(scope="module")
def joined(engine: Engine) -> Iterator[Lab]:
    """IS-IS with IPv6 around a square, OSPF behind it."""
    square = [Router(f"r{n}", routing="isis", loopback=f"10.9.9.{n}/32") for n in (1, 2, 3)]
    border = Router("border", routing=("isis", "ospf"))
    inside = Router("inside", routing="ospf")
    ring = [*square, border]
    links = [Link(one, ring[(n + 1) % 4]) for n, one in enumerate(ring)]
    square[0].isis(links[0], password="secret", bfd_ms=300)
    square[1].isis_options(area="49.0002", password="all")
    lan = Switch("lan")
    Link(border, lan)
    Link(inside, lan)
    Link(square[1], Host("h1"))
    Link(inside, Host("h2"), subnet=["10.77.0.0/24", "2001:db8:77::/64"])
    with Lab(lan, name="joined", ipv6=True, quiet=True) as lab:
        yield lab


def test_all_reach_all_across_two_protocols(joined: Lab) -> None:
    assert_can_ping(joined["h1"], "h2")
    assert_can_ping(joined["h1"], "2001:db8:77::2")
    assert "r1" in joined["r2"].vtysh("show isis neighbor")


def test_isis_uses_all_equal_ways(joined: Lab) -> None:
    ways = [way for way in joined["r1"].routes() if str(way.destination) == "10.9.9.3/32"]
    assert [way.protocol for way in ways] == ["isis", "isis"]


def test_isis_finds_its_way_round_a_link_that_is_down(joined: Lab) -> None:
    link = next(one for one in joined.links if {end.node.name for end in one.ends} == {"r1", "r2"})
    link.down()
    joined.wait_converged()
    assert_can_ping(joined["r2"], "10.9.9.1")
    link.up()
    joined.wait_converged()
