"""Systems of BGP: which routers are in one, and who has sessions with whom."""

from __future__ import annotations

from playground.operations.network import Host, Link, Router
from playground.planning.plan import Plan
from playground.planning.planner import make_plan


def sessions(plan: Plan, node: str) -> list[str]:
    """The numbers of the systems that a router's sessions lead to, by the neighbours' addresses."""
    [text] = [item for item in plan.node(node).services if item.service == "bgp"]
    lines = text.configuration.splitlines()  # type: ignore[attr-defined]
    return [line.strip() for line in lines if " remote-as " in line]


def core(igp: str) -> list[Router]:
    """Two routers of a system, joined by one that speaks its inner protocol alone."""
    a, b = (
        Router(n, routing=(igp, "bgp"), as_number=65001, loopback=f"10.9.9.{k}/32")
        for k, n in enumerate("ab", 1)
    )
    middle = Router("middle", routing=igp)
    Link(a, middle)
    Link(middle, b)
    Link(b, Host("h"))
    return [a, middle, b]


def test_routers_of_a_system_have_a_session_across_one_that_speaks_no_bgp() -> None:
    for igp in ("ospf", "isis", "rip"):
        plan = make_plan(core(igp))
        assert sessions(plan, "a") == ["neighbor 10.9.9.2 remote-as 65001"]
        services = {item.service for item in plan.node("a").services}
        assert services == {igp, "bgp"}  # no OSPF beside another protocol


def test_a_system_that_nothing_joins_has_no_session() -> None:
    a, middle, b = core("ospf")
    far = Router("far", routing="bgp", as_number=65001)
    Link(middle, far)
    plan = make_plan([a, b])
    assert sessions(plan, "far") == []
    assert sessions(plan, "a") == ["neighbor 10.9.9.2 remote-as 65001"]


def test_a_reflector_spares_its_clients_sessions_with_each_other() -> None:
    a, _, b = core("ospf")
    c = Router("c", routing=("ospf", "bgp"), as_number=65001, loopback="10.9.9.3/32")
    Link(b, c)
    b.bgp_peer(a, client=True)
    b.bgp_peer(c, client=True)
    plan = make_plan([a])
    assert len(sessions(plan, "b")) == 2
    assert sessions(plan, "a") == ["neighbor 10.9.9.2 remote-as 65001"]
