"""Levels and areas of IS-IS: who becomes a neighbour, and who hears of what."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from playground.errors import TopologyError
from playground.operations.network import Host, Link, Router
from playground.planning.plan import Plan
from playground.planning.planner import make_plan
from playground.planning.routing.isis_levels import network_entity_title


def chain() -> tuple[list[Router], list[Link]]:
    """Three routers in a row, with a host at each end."""
    routers = [Router(name, routing="isis") for name in ("a", "b", "c")]
    a, b, c = routers
    links = [Link(a, b, subnet="10.1.0.0/24"), Link(b, c, subnet="10.2.0.0/24")]
    Link(a, Host("h1"), subnet="10.3.0.0/24")
    Link(c, Host("h2"), subnet="10.4.0.0/24")
    return routers, links


def neighbours(plan: Plan, node: str) -> list[str]:
    return [peer.node for peer in plan.node(node).neighbours]


def lines(plan: Plan, node: str) -> list[str]:
    [text] = [one.configuration for one in plan.node(node).services if one.service == "isis"]  # type: ignore[attr-defined]
    return [line.strip() for line in text.splitlines()]


def test_a_title_is_made_of_the_area_and_the_address() -> None:
    assert network_entity_title("49.0001", ip_address("10.0.1.1")) == "49.0001.0100.0000.1001.00"
    assert network_entity_title("49", ip_address("192.168.1.7")) == "49.1921.6800.1007.00"


def test_at_level_2_all_are_neighbours_whichever_their_areas() -> None:
    (a, b, _), _ = chain()
    b.isis_options(area="49.0002")
    plan = make_plan([a])
    assert neighbours(plan, "b") == ["a", "c"]
    assert plan.node("a").withheld == plan.node("a").covered == ()


def test_at_level_1_a_router_knows_its_area_and_a_way_out() -> None:
    (a, b, c), _ = chain()
    a.isis_options(level=1)
    b.isis_options(level="1-2")
    plan = make_plan([a])
    assert neighbours(plan, "b") == ["a", "c"]
    # Of what lies beyond its area it has but the default route to b.
    assert list(map(str, plan.node("a").covered)) == ["10.4.0.0/24"]
    # And nobody hands on what level 1 knows: 10.1.0.0/24 b tells of itself.
    assert list(map(str, plan.node("c").withheld)) == ["10.3.0.0/24"]
    c.isis_options(area="49.0002", level="1-2")
    assert list(map(str, make_plan([a]).node("c").withheld)) == ["10.3.0.0/24"]


def test_an_area_without_a_way_out_hears_of_itself_alone() -> None:
    (a, b, _), links = chain()
    a.isis_options(level=1, area="49.0009")
    b.isis(links[0], passive=True)
    plan = make_plan([a], strict=False)
    assert neighbours(plan, "a") == []
    assert {str(one) for one in plan.node("a").withheld} == set()


def test_neighbours_without_a_common_level_are_refused() -> None:
    (a, _, _), _ = chain()
    a.isis_options(level=1)
    with pytest.raises(
        TopologyError, match=r"no level of IS-IS in common .*a: level 1 in area 49.0001"
    ):
        make_plan([a])


def test_a_link_at_a_level_that_its_router_has_no_part_in_is_refused() -> None:
    (a, _, _), links = chain()
    a.isis(links[0], level=1)
    with pytest.raises(TopologyError, match=r"says level 1 of .*, and the router is of level 2"):
        make_plan([a])


def test_what_all_must_agree_in_is_said_by_one() -> None:
    (a, b, _), links = chain()
    a.isis(links[0], password="secret", network="broadcast", bfd_ms=100)
    b.isis_options(password="all")
    plan = make_plan([a])
    for name in ("a", "b"):
        assert "isis password md5 secret" in lines(plan, name)
        assert lines(plan, name).count("isis bfd") == 1
        assert "domain-password md5 all authenticate snp validate" in lines(plan, name)
    b.isis(links[0], password="other")
    with pytest.raises(TopologyError, match=r"differ in their IS-IS settings \(passwords\)"):
        make_plan([a])


def test_passwords_that_differ_between_routers_are_refused() -> None:
    (a, b, _), _ = chain()
    a.isis_options(password="one")
    b.isis_options(password="two")
    with pytest.raises(TopologyError, match="routers a and b have different passwords of IS-IS"):
        make_plan([a])
