"""Hosts behind two leaves of one VNI, where one leaf does not hear of the other."""

from __future__ import annotations

from playground.operations.diagnosis.evidence.adjacencies import Findings, Trouble
from playground.operations.diagnosis.evidence.facts import Facts, Names, Question
from playground.operations.diagnosis.faults.overlay_faults import between_leaves
from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.operations.network import Host, Link, Router
from playground.planning.plan import Plan
from playground.planning.planner import make_plan

STOPPED = Trouble("spine", "leaf2", "BGP", "", "bgpd does not run on leaf2", "leaf2")


def fabric(second: int = 100) -> Plan:
    spine = Router("spine", routing="bgp")
    leaves = [Router(f"leaf{n}", routing="bgp", loopback=f"10.10.10.{n}/32") for n in (1, 2)]
    for leaf, host, vni in zip(leaves, ("h1", "h2"), (100, second), strict=True):
        Link(spine, leaf)
        leaf.vni(vni, Link(leaf, Host(host)))
    return make_plan([spine])


def fault(plan: Plan, findings: Findings | None = None) -> Fault | None:
    facts = Facts(plan, Question("h1", "h2", "icmp"), Names(()), findings=findings)
    return between_leaves(Walk(facts), ("h1", "eth0"), [("h2", "eth0")])


def test_first_the_leaf_is_named_whose_routers_are_to_be_asked() -> None:
    found = fault(fabric())
    assert found is not None
    assert (found.node, found.cause) == ("leaf1", "overlay")
    assert "the VNI 100 of the leaves leaf1 and leaf2" in found.sentence
    found = fault(fabric(), Findings())
    assert found is not None
    assert 'leaf1.vtysh("show bgp l2vpn evpn summary")' in found.advice


def test_a_leaf_whose_daemon_was_stopped_is_named() -> None:
    far = Trouble("spine", "other", "BGP", "Active", "because")
    found = fault(fabric(), Findings((far, STOPPED)))
    assert found is not None
    assert (found.node, found.cause) == ("leaf1", "no adjacency")
    assert found.sentence.endswith("bgpd does not run on leaf2.")
    assert found.advice == 'Start it: leaf2.services["bgp"].start().'


def test_a_cut_link_is_named() -> None:
    found = fault(fabric(), Findings(cut=(("spine", "leaf2"),)))
    assert found is not None
    assert found.cause == "link down"
    assert "the link between spine and leaf2 carries nothing" in found.sentence


def test_hosts_of_different_vnis_are_in_different_networks() -> None:
    assert fault(fabric(second=200), Findings((STOPPED,))) is None
