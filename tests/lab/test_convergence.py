"""When routing is done: tables that lead everywhere by the cheapest way, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from playground.lab.convergence import Complaint, unfinished
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.plan import Plan
from playground.planning.planner import make_plan
from tests.networks import best_tables


def ring(routing: str = "ospf", size: int = 4) -> list[Router]:
    routers = [Router(f"r{number}", routing=routing) for number in range(size)]
    for number, router in enumerate(routers):
        Link(router, routers[(number + 1) % size], subnet=f"10.0.{number}.0/24")
    Link(routers[0], Switch("lan", subnet="10.9.0.0/24"))
    return routers


@pytest.mark.parametrize("routing", ["ospf", "isis", "rip", "bgp"])
def test_tables_of_shortest_ways_are_finished(routing: str) -> None:
    plan = make_plan(ring(routing), ipv6=True)
    assert unfinished(plan, plan.wires, best_tables(plan, plan.wires)) == []


def test_ipv6_has_ways_of_its_own_to_find() -> None:
    plan = make_plan(ring(), ipv6=True)
    tables = best_tables(plan, plan.wires)
    assert {len(network.split(":")) > 1 for network in tables["r2"]} == {True, False}
    lan = next(network for network in tables["r0"] if ":" in network)
    del tables["r2"][lan]
    assert {item.network for item in unfinished(plan, plan.wires, tables)} == {lan}


def test_a_point_to_point_link_of_ipv6_leads_to_its_own_addresses() -> None:
    a, b = Router("a", routing="ospf"), Router("b", routing="ospf")
    Link(a, b, addresses=("2001:db8:1::1/128", "2001:db8:1::2/128"))
    plan = make_plan([a])
    tables = {
        "a": {"2001:db8:1::2/128": [(None, "eth0")]},
        "b": {"2001:db8:1::1/128": [(None, "eth0")]},
    }
    assert unfinished(plan, plan.wires, tables) == []


def test_routers_on_sticks_are_neighbours_in_their_vlan_alone() -> None:
    switch = Switch("s", vlans=(10, 20))
    r1, r2, host = Router("r1", routing="ospf"), Router("r2", routing="ospf"), Host("h")
    Link(switch, r1, trunk=True)
    Link(switch, r2, vlan=20)
    Link(r2, host, subnet="10.9.0.0/24")
    plan = make_plan([switch])
    assert [peer.interface for peer in plan.node("r1").neighbours] == ["eth0.20"]
    tables: dict[str, dict[str, list[tuple[str | None, str]]]] = {
        "r1": {
            "10.0.1.0/24": [(None, "eth0.10")],
            "10.0.2.0/24": [(None, "eth0.20")],
            "10.9.0.0/24": [("10.0.2.2", "eth0.20")],
        },
        "r2": {
            "10.0.1.0/24": [("10.0.2.1", "eth0")],
            "10.0.2.0/24": [(None, "eth0")],
            "10.9.0.0/24": [(None, "eth1")],
        },
    }
    assert unfinished(plan, plan.wires, tables) == []
    del tables["r1"]["10.9.0.0/24"]
    assert [item.router for item in unfinished(plan, plan.wires, tables)] == ["r1"]


def test_bgp_that_is_to_use_equal_ways_has_found_them() -> None:
    routers = ring("bgp")
    routers[2].bgp_options(paths=2)
    plan = make_plan(routers)
    tables = best_tables(plan, plan.wires)
    both = tables["r2"]["10.9.0.0/24"]
    assert len(both) == 2
    tables["r1"]["10.2.0.0/24"] = tables["r1"].get("10.2.0.0/24", [])[:1]
    assert unfinished(plan, plan.wires, tables) == []  # r1 was told to use one
    tables["r2"]["10.9.0.0/24"] = both[:1]
    words = "has not the best way to 10.9.0.0/24 yet"
    assert unfinished(plan, plan.wires, tables) == [Complaint("r2", "10.9.0.0/24", words, False)]
    routers[2].bgp_options(paths=1)
    assert unfinished(make_plan(routers), plan.wires, tables) == []


def test_a_router_without_a_route_is_not_done() -> None:
    plan = make_plan(ring())
    tables = best_tables(plan, plan.wires)
    del tables["r2"]["10.9.0.0/24"]
    assert unfinished(plan, plan.wires, tables) == [
        Complaint("r2", "10.9.0.0/24", "has no way to 10.9.0.0/24 yet")
    ]


def test_who_sends_through_a_router_without_a_route_is_not_done_either() -> None:
    plan = make_plan(ring())
    tables = best_tables(plan, plan.wires)
    del tables["r1"]["10.9.0.0/24"]
    assert {item.router for item in unfinished(plan, plan.wires, tables)} == {"r1", "r2"}


def test_two_routers_that_send_to_each_other_are_not_done() -> None:
    plan = make_plan(ring())
    tables = best_tables(plan, plan.wires)
    tables["r1"]["10.9.0.0/24"] = [("10.0.1.2", "eth1")]
    tables["r2"]["10.9.0.0/24"] = [("10.0.1.1", "eth0")]
    found = unfinished(plan, plan.wires, tables)
    assert {item.router for item in found if item.serious} == {"r1", "r2"}


def test_a_longer_way_is_a_small_complaint() -> None:
    plan = make_plan(ring("rip"))
    tables = best_tables(plan, plan.wires)
    tables["r1"]["10.9.0.0/24"] = [("10.0.1.2", "eth1")]
    tables["r2"]["10.9.0.0/24"] = [("10.0.2.2", "eth1")]
    found = unfinished(plan, plan.wires, tables)
    assert found == [
        Complaint("r1", "10.9.0.0/24", "has not the best way to 10.9.0.0/24 yet", serious=False)
    ]


def test_old_tables_are_unfinished_when_a_wire_is_cut() -> None:
    plan = make_plan(ring())
    cut = plan.wires[1:]
    found = unfinished(plan, cut, best_tables(plan, plan.wires))
    assert {item.router for item in found} == {"r0", "r1", "r2", "r3"}
    assert unfinished(plan, cut, best_tables(plan, cut)) == []


def test_what_is_cut_off_is_to_be_forgotten() -> None:
    plan = make_plan(ring(size=3))
    lan = [wire for wire in plan.wires if "lan" in (wire.a.node, wire.b.node)]
    rest = [wire for wire in plan.wires if wire not in lan]
    found = unfinished(plan, rest, best_tables(plan, plan.wires))
    assert {item.words for item in found} == {"still has a route to 10.9.0.0/24, which is cut off"}


def test_ospf_uses_all_paths_that_cost_the_same() -> None:
    plan = make_plan(ring())
    tables = best_tables(plan, plan.wires)
    assert len(tables["r2"]["10.9.0.0/24"]) == 2
    tables["r2"]["10.9.0.0/24"].pop()
    assert [item.router for item in unfinished(plan, plan.wires, tables)] == ["r2"]


def test_a_cost_makes_the_longer_way_the_better() -> None:
    routers = ring(size=3)
    routers[1].ospf(routers[1].links[0], cost=100)
    plan = make_plan(routers)
    tables = best_tables(plan, plan.wires)
    assert tables["r1"]["10.9.0.0/24"] == [("10.0.1.2", "eth1")]


def test_who_is_on_a_network_needs_no_way_to_it_though_others_announce_it() -> None:
    a, b, c = (Router(name, routing="bgp", as_number=n) for n, name in enumerate("abc", 1))
    Link(a, b, subnet="10.1.0.0/24")
    Link(b, c, subnet="10.2.0.0/24")
    Link(a, Host("h1"), subnet="10.3.0.0/24")
    plan = make_plan([a])
    # b, which has nothing else to be known by, announces both links; a and c neither.
    tables: dict[str, dict[str, list[tuple[str | None, str]]]] = {
        "a": {"10.1.0.0/24": [(None, "eth0")], "10.2.0.0/24": [("10.1.0.2", "eth0")]},
        "b": {"10.3.0.0/24": [("10.1.0.1", "eth0")]},
        "c": {
            "10.1.0.0/24": [("10.2.0.1", "eth0")],
            "10.2.0.0/24": [(None, "eth0")],
            "10.3.0.0/24": [("10.2.0.1", "eth0")],
        },
    }
    assert unfinished(plan, plan.wires, tables) == []
    del tables["c"]["10.3.0.0/24"]
    assert [item.network for item in unfinished(plan, plan.wires, tables)] == ["10.3.0.0/24"]


def test_a_router_that_announces_nothing_is_on_the_way_all_the_same() -> None:
    a, b, c = (Router(name, routing="bgp", as_number=n) for n, name in enumerate("abc", 1))
    for link in (Link(a, b, subnet="10.1.0.0/24"), Link(b, c, subnet="10.2.0.0/24")):
        b.bgp(link, announce=False)
    Link(a, Host("h1"), subnet="10.3.0.0/24")
    plan = make_plan([a])
    tables = {
        "a": {},
        "b": {"10.3.0.0/24": [("10.1.0.1", "eth0")]},
        "c": {"10.3.0.0/24": [("10.2.0.1", "eth0")]},
    }
    found = unfinished(plan, plan.wires, tables)
    assert {item.network for item in found} <= {"10.2.0.0/24"}


def switched() -> Plan:
    first, second = Switch("s1", subnet="10.1.0.0/24"), Switch("s2")
    a, b = Router("a", routing="ospf"), Router("b", routing="ospf")
    Link(first, second)
    Link(a, first)
    Link(b, second)
    Link(a, Host("h1"), subnet="10.2.0.0/24")
    return make_plan([a])


@pytest.mark.parametrize("part", [lambda w: w.a.node == "s1" and w.b.node == "s2"])
def test_a_wire_between_switches_is_a_way_too(part: Callable[..., bool]) -> None:
    plan = switched()
    rest = [wire for wire in plan.wires if not part(wire)]
    assert len(rest) == len(plan.wires) - 1
    whole = best_tables(plan, plan.wires)
    assert unfinished(plan, plan.wires, whole) == []
    assert [item.network for item in unfinished(plan, rest, whole)] == ["10.2.0.0/24"]


def test_what_static_routes_led_to_is_given_time_to_be_forgotten() -> None:
    a, b, stub = Router("a", routing="ospf"), Router("b", routing="ospf"), Router("stub")
    Link(a, b, subnet="10.1.0.0/24")
    Link(b, stub, subnet="10.2.0.0/24")
    Link(stub, Host("h1"), subnet="10.3.0.0/24")
    plan = make_plan([a])
    cut = plan.wires[1:]
    found = unfinished(plan, cut, best_tables(plan, cut))
    assert found == [Complaint("a", "10.3.0.0/24", "may not have given up 10.3.0.0/24 yet", False)]


def test_islands_with_a_static_router_between_them() -> None:
    a, b, middle = Router("a", routing="ospf"), Router("b", routing="ospf"), Router("middle")
    c = Router("c", routing="ospf")
    Link(a, c, subnet="10.1.0.0/24")
    Link(c, middle, subnet="10.2.0.0/24")
    Link(middle, b, subnet="10.3.0.0/24")
    Link(b, Host("h1"), subnet="10.4.0.0/24")
    plan = make_plan([a])
    tables = best_tables(plan, plan.wires)
    # The router beside the static one announces the networks that it leads to.
    assert {"10.3.0.0/24", "10.4.0.0/24"} <= set(tables["a"])
    assert unfinished(plan, plan.wires, tables) == []
