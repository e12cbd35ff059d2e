"""Overlays in a plan: one network behind several leaves, and nothing of it in the network below."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from playground.errors import TopologyError
from playground.lab.credentials import Credentials
from playground.lab.lab_as_json import load, save
from playground.model.services.frr import BGP
from playground.operations.network import Host, Link, Router, Switch
from playground.operations.pictures.tree import draw
from playground.planning.broadcast_domains import find_domains
from playground.planning.difference import compare
from playground.planning.links.kernel_needs import kernel_needs
from playground.planning.links.overlays import find_vnis, ports_of_vnis
from playground.planning.plan import Plan
from playground.planning.plan_parts import VniPlan
from playground.planning.planner import make_plan


class Fabric:
    """A spine and three leaves, behind which two tenants are."""

    def __init__(self) -> None:
        self.spine = Router("spine", routing="bgp", loopback="10.10.10.100/32")
        self.leaves = [
            Router(f"leaf{n}", routing="bgp", loopback=f"10.10.10.{n}/32") for n in (1, 2, 3)
        ]
        self.lan = Switch("lan", subnet="192.168.1.0/24")
        self.hosts = [Host(f"h{number}") for number in (1, 2, 3, 4)]
        for leaf in self.leaves:
            Link(self.spine, leaf)
        h1, h2, h3, h4 = self.hosts
        Link(self.lan, h1)
        Link(self.lan, h2)
        leaf1, leaf2, leaf3 = self.leaves
        leaf1.vni(100, Link(leaf1, self.lan))
        leaf2.vni(100, Link(leaf2, h3, mtu=1400))
        leaf3.vni(200, Link(leaf3, h4, subnet="192.168.1.0/24"))

    def plan(self, previous: Plan | None = None) -> Plan:
        return make_plan([self.spine], previous=previous)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric()


def names(plan: Plan, node: str) -> set[str]:
    return {entry.names[0] for entry in plan.node(node).hosts}


def test_hosts_behind_leaves_of_a_vni_are_one_network(fabric: Fabric) -> None:
    plan = fabric.plan()
    found = [str(plan.node(f"h{n}").interfaces[0].addresses[0]) for n in (1, 2, 3)]
    assert found == ["192.168.1.1/24", "192.168.1.2/24", "192.168.1.3/24"]
    assert names(plan, "h1") == {"h1", "h2", "h3"}
    assert plan.node("h1").routes == ()
    # Another tenant may use the same addresses, and knows nobody of the first.
    assert names(plan, "h4") == {"h4"}
    assert names(plan, "leaf1") == {"spine", "leaf1", "leaf2", "leaf3"}


def test_a_leaf_has_a_bridge_and_no_address_there(fabric: Fabric) -> None:
    plan = fabric.plan()
    leaf = plan.node("leaf2")
    assert leaf.vnis == (VniPlan(100, ip_address("10.10.10.2"), 1400),)
    [port] = [item for item in leaf.interfaces if item.vni]
    assert (port.vni, port.addresses) == (100, ())
    assert not any(item.interface == port.name for item in leaf.announced)
    assert (leaf.vnis[0].bridge, leaf.vnis[0].device) == ("br100", "vni100")


def test_every_bgp_router_hands_on_mac_addresses(fabric: Fabric) -> None:
    plan = fabric.plan()
    for node in ("spine", "leaf3"):
        [bgp] = [item for item in plan.node(node).services if isinstance(item, BGP)]
        family = bgp.configuration.partition(" address-family l2vpn evpn\n")[2]
        peers = len(plan.node(node).neighbours)
        assert family.count(" activate\n") == peers
        assert "  advertise-all-vni\n" in family


def test_without_vnis_nobody_is_told_of_them() -> None:
    r1 = Router("r1", routing="bgp")
    Link(r1, Router("r2", routing="bgp"))
    [bgp] = make_plan([r1]).node("r1").services
    assert isinstance(bgp, BGP) and "evpn" not in bgp.configuration
    assert find_vnis(r1, ()) == () and ports_of_vnis(r1) == {}
    assert find_vnis(Host("h1"), ()) == () and ports_of_vnis(Host("h2")) == {}


def test_they_are_one_broadcast_domain(fabric: Fabric) -> None:
    [domain] = [one for one in find_domains(fabric.plan()) if ("h1", "eth0") in one]
    assert {node for node, _ in domain} == {"h1", "h2", "h3", "lan", "leaf1", "leaf2"}


def test_subnets_that_contradict_each_other_are_refused(fabric: Fabric) -> None:
    far = Switch("far", subnet="192.168.2.0/24")
    Link(far, Host("h5"))
    fabric.leaves[2].vni(100, Link(fabric.leaves[2], far))
    with pytest.raises(TopologyError, match=r"192\.168\.2\.0/24"):
        fabric.plan()


def test_what_changes_is_told(fabric: Fabric) -> None:
    old = fabric.plan()
    fabric.leaves[1].vnis[100].remove()
    new = fabric.plan(old)
    [change] = [one for one in compare(old, new).inside if one.node == "leaf2"]
    assert [vni.number for vni in change.vnis_remove] == [100]
    assert change.vrfs_leave == ("eth1",)
    [back] = [one for one in compare(new, old).inside if one.node == "leaf2"]
    assert [vni.number for vni in back.vnis_add] == [100]


def test_it_is_shown_drawn_and_saved(fabric: Fabric) -> None:
    plan = fabric.plan()
    lines = plan.node("leaf1").as_shell().splitlines()
    assert "ip link set dev eth1 master br100" in lines
    assert (
        "ip link add vni100 mtu 1500 type vxlan id 100 local 10.10.10.1 dstport 4789 nolearning"
        in lines
    )
    assert "VNI 200, bgp" in draw(plan)
    assert "vni100" not in kernel_needs(plan)
    assert kernel_needs(plan)["vxlan"][0] == "the VNI 100 of leaf1"
    nodes = [fabric.spine, *fabric.leaves, fabric.lan, *fabric.hosts]
    found = load(save(nodes, plan, Credentials.make({"ann": "secret"})))
    [leaf] = [node for node in found.nodes if node.name == "leaf2"]
    assert isinstance(leaf, Router) and list(leaf.vnis) == [100]
    assert found.plan == plan
