"""Why no neighbour has told a router of a way, and what advice is given."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from playground.operations.diagnosis.evidence.adjacencies import Findings, Trouble
from playground.operations.diagnosis.evidence.explanation import CAUSES
from playground.operations.diagnosis.evidence.facts import Facts, Names, Question
from playground.operations.diagnosis.evidence.network_state import NodeState
from playground.operations.diagnosis.faults.adjacency_faults import unheard
from playground.operations.network import Host, Link, Router
from playground.planning.plan import Plan
from playground.planning.planner import make_plan
from playground.planning.route_rows import Route


def systems(six: bool = False) -> Plan:
    """Three systems in a row, each with a host's network."""
    a, b, c = (Router(name, routing="bgp", as_number=n) for n, name in enumerate("abc", 1))
    Link(a, b, subnet="10.1.0.0/24")
    Link(b, c, subnet="10.2.0.0/24")
    for router in (a, b, c):
        Link(router, Host(f"h{router.name}"), subnet=f"10.{router.as_number}.9.0/24")
    return make_plan([a], ipv6=six)


def facts(findings: Findings | None, six: bool = False, **knows: str) -> Facts:
    """Facts of a lab in which each router knows of one network."""
    plan = systems(six)
    states = {
        name: NodeState(name, routes=(Route(ip_network(network), None, "eth0"),))
        for name, network in knows.items()
    }
    return Facts(plan, Question("ha", "hc", "icmp"), Names(()), states=states, findings=findings)


def said(found: object) -> str:
    assert isinstance(found, tuple)
    _, fault = found
    assert fault.cause in CAUSES
    return f"{fault.cause}: {fault.sentence} {fault.advice}"


def test_nothing_is_said_of_who_speaks_no_protocol() -> None:
    assert unheard(facts(None), "a", "10.3.9.2", "") is None
    assert unheard(facts(Findings()), "ha", "10.3.9.2", "") is None


def test_its_own_trouble_comes_first() -> None:
    troubles = (
        Trouble("b", "c", "BGP", "Idle", "because."),
        Trouble("a", "b", "BGP", "Active", "b is shut down"),
    )
    found = said(unheard(facts(Findings(troubles)), "a", "10.3.9.2", "a has no route."))
    assert found == (
        "no adjacency: a has no route. a and b do not speak BGP with each other (Active at a): "
        'b is shut down. Look at a.vtysh("show bgp summary").'
    )


def test_a_daemon_that_does_not_run_is_to_be_started() -> None:
    troubles = (Trouble("a", "b", "OSPFv3", "", "ospf6d does not run on b", "b"),)
    told = said(unheard(facts(Findings(troubles), six=True), "a", "2001:db8:0:2::2", ""))
    assert told.endswith('Start it: b.services["ospf6"].start().')


def test_the_trouble_of_another_version_of_ip_is_none_here() -> None:
    troubles = (Trouble("a", "b", "OSPFv3", "Init", "x"),)
    assert "All its neighbours" in said(unheard(facts(Findings(troubles)), "a", "10.3.9.2", ""))


def test_a_policy_is_named_where_it_hides_the_network() -> None:
    policies = (("c", "b", "c: neighbor x"), ("b", "a", "b: neighbor y"))
    found = facts(Findings(policies=policies), b="10.3.9.0/24", a="10.9.0.0/24")
    told = said(unheard(found, "a", "10.3.9.2", ""))
    assert "not announced:  A policy between b and a hides it: b: neighbor y." in told


def test_a_link_that_carries_nothing_is_named() -> None:
    told = said(unheard(facts(Findings(cut=(("b", "c"),))), "a", "10.3.9.2", ""))
    assert "c would tell of one, and the link between b and c carries nothing" in told


def test_a_next_hop_without_a_way_is_named_with_who_can_mend_it() -> None:
    a, b = (
        Router(name, routing="bgp", as_number=1, loopback=f"10.9.9.{n}/32")
        for n, name in enumerate("ab", 1)
    )
    c = Router("c", routing="bgp", as_number=2)
    Link(a, b, subnet="10.1.0.0/24")
    Link(b, c, subnet="10.2.0.0/24")
    Link(c, Host("hc"), subnet="10.3.9.0/24")
    Link(a, Host("ha"), subnet="10.4.9.0/24")
    findings = Findings(unreachable=(("a", "10.3.9.0/24", "10.2.0.2"),))
    it = Facts(make_plan([a]), Question("ha", "hc", "icmp"), Names(()), findings=findings)
    assert said(unheard(it, "a", "10.3.9.2", "a has no route.")) == (
        "no next hop: a has no route. bgpd of a knows of 10.3.9.0/24 by the next hop 10.2.0.2, to "
        "which a has no way. Let b tell it with itself as the next hop: "
        "b.bgp_peer(a, next_hop_self=True)."
    )


def test_a_link_between_systems_is_announced_by_nobody() -> None:
    told = said(unheard(facts(Findings()), "a", "10.2.0.2", ""))
    assert "It lies in 10.2.0.0/24, which no router tells others of." in told
    assert "Let b tell: b.bgp(b.links[1], announce=True)." in told


@pytest.mark.parametrize(
    ("address", "words"),
    [("192.0.2.1", "No router tells of a network"), ("10.3.9.2", "none tells of one, though c")],
)
def test_what_is_left(address: str, words: str) -> None:
    assert words in said(unheard(facts(Findings()), "a", address, ""))
