"""VRFs as routers of their own: what protocols speak in each, and how a plan is taken apart."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.model.services.frr import BGP, OSPF
from playground.operations.network import Host, Link, Router
from playground.planning.plan import Plan
from playground.planning.planner import make_plan
from playground.planning.routing.vrfs_apart import vrfs_apart


def provider() -> tuple[Router, list[Router]]:
    """Return a router with two customers, of the same addresses, that speak OSPF and BGP."""
    pe = Router("pe")
    edges = [Router(f"c{number}", routing="ospf") for number in (1, 2)]
    edges += [Router(f"c{number}", routing="bgp", as_number=65000 + number) for number in (3, 4)]
    links = []
    for number, edge in enumerate(edges):
        Link(edge, Host(f"h{number + 1}"), subnet=f"10.{1 + number % 2}.0.0/24")
        links.append(Link(pe, edge, subnet=f"10.100.{number % 2}.0/30"))
    pe.vrf("blue", links[:2], routing="ospf")
    pe.vrf("red", links[2:], routing="bgp", as_number=64600)
    return pe, edges


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan([provider()[0]])


def test_one_daemon_of_each_protocol_speaks_in_the_vrfs(plan: Plan) -> None:
    ospf, bgp = plan.node("pe").services
    assert isinstance(ospf, OSPF) and isinstance(bgp, BGP)
    assert "router ospf vrf blue\n" in ospf.configuration
    assert "interface eth0 vrf blue\n" in ospf.configuration
    assert "eth2" not in ospf.configuration
    assert "router bgp 64600 vrf red\n" in bgp.configuration
    assert " neighbor 10.100.0.2 remote-as 65003\n" in bgp.configuration


def test_customers_know_the_router_and_nothing_of_vrfs(plan: Plan) -> None:
    [peer] = plan.node("c3").neighbours
    assert (peer.node, peer.protocol, str(peer.address)) == ("pe", "bgp", "10.100.0.1")
    assert plan.node("c1").vrfs == ()
    assert [(vrf.name, vrf.as_number) for vrf in plan.node("pe").vrfs] == [
        ("blue", None),
        ("red", 64600),
    ]


def test_a_plan_is_taken_apart(plan: Plan) -> None:
    apart, wires = vrfs_apart(plan, plan.wires[:2])
    names = [node.name for node in apart.nodes if node.name.startswith("pe")]
    assert names == ["pe", "pe (blue)", "pe (red)"]
    blue = apart.node("pe (blue)")
    assert [item.name for item in blue.interfaces] == ["eth0", "eth1"]
    assert {peer.node for peer in blue.neighbours} == {"c1", "c2"}
    assert {str(item.network) for item in blue.announced} == {"10.100.0.0/30", "10.100.1.0/30"}
    assert not apart.node("pe").announced
    assert [peer.node for peer in apart.node("c4").neighbours] == ["pe (red)"]
    assert wires[1].a.node == "pe (blue)"


def test_a_plan_without_vrfs_is_the_same_one() -> None:
    r1 = Router("r1")
    Link(r1, Host("h1"))
    plan = make_plan([r1])
    assert vrfs_apart(plan, plan.wires)[0] is plan


def test_what_leaks_into_a_vrf_is_told_there() -> None:
    pe, _ = provider()
    pe.leak("10.9.0.0/24", source="red", into="blue")
    plan = make_plan([pe])
    [leaked] = [item for item in plan.node("pe").announced if item.interface is None]
    assert (str(leaked.network), leaked.vrf) == ("10.9.0.0/24", "blue")
    apart, _ = vrfs_apart(plan, ())
    assert leaked in apart.node("pe (blue)").announced


def test_a_policy_of_a_customer_is_for_the_router() -> None:
    pe, edges = provider()
    edges[2].bgp_peer(pe, password="secret")
    [bgp] = [item for item in make_plan([pe]).node("pe").services if isinstance(item, BGP)]
    assert bgp.configuration.count("password secret") == 1
    edges[2].bgp_peer(edges[3], password="secret")
    with pytest.raises(TopologyError, match="speaks of c4, which is no peer of it"):
        make_plan([pe])
