"""Addresses that come of router advertisements, as a plan knows them beforehand."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.lab.lab import Lab
from playground.model.ipv6.slaac import SLAAC
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.interface_names import derived_mac
from playground.planning.ipv6.autoconfigured import expected
from playground.planning.ipv6.identifiers import eui64
from playground.planning.plan import Plan
from playground.planning.planner import make_plan


class Home:
    """A router that advertises, and h1 that listens."""

    def __init__(self, address: object = "slaac", **subnet: object) -> None:
        self.home = Switch("home", **subnet)  # type: ignore[arg-type]
        self.r1, self.h1 = Router("r1"), Host("h1")
        self.lan = Link(self.home, self.r1)
        Link(self.home, self.h1, address=address)  # type: ignore[arg-type]

    def plan(self) -> Plan:
        return make_plan([self.home])


def addresses(plan: Plan, name: str) -> list[str]:
    return [str(item) for item in plan.node(name).interfaces[0].addresses]


def test_the_address_is_made_of_prefix_and_mac_address() -> None:
    it = Home(subnet="2001:db8:1::/64")
    it.r1.advertise(it.lan)
    number = eui64(derived_mac("lab", "h1", "eth0"))
    text = ":".join(f"{number >> shift & 0xFFFF:x}" for shift in (48, 32, 16, 0))
    plan = it.plan()
    assert addresses(plan, "h1") == [f"2001:db8:1:0:{text}/64"]
    assert addresses(plan, "r1") == ["2001:db8:1::1/64"]
    assert expected(plan) == {("h1", "eth0"): plan.node("h1").interfaces[0].addresses}


def test_a_network_that_is_advertised_has_ipv6_beside_ipv4() -> None:
    it = Home()
    far = Host("far")
    Link(it.r1, far)
    it.r1.advertise(it.lan)
    plan = it.plan()
    assert [item.rpartition("/")[2] for item in addresses(plan, "h1")] == ["24", "64"]
    assert len(addresses(plan, "far")) == 1  # nobody asked for it there


def test_who_listens_is_told_so_and_nobody_else() -> None:
    it = Home(SLAAC(identifier="stable", temporary=True))
    it.r1.advertise(it.lan)
    h2 = Host("h2")
    Link(it.home, h2)
    plan = it.plan()
    listening = dict(plan.node("h1").sysctls)
    conf = "net.ipv6.conf.eth0"
    assert listening[f"{conf}.accept_ra"] == "1"
    assert listening[f"{conf}.use_tempaddr"] == "2"
    assert len(listening[f"{conf}.stable_secret"]) == 39
    for other in ("r1", "h2"):
        quiet = dict(plan.node(other).sysctls)
        assert quiet[f"{conf}.accept_ra"] == "0"
        assert f"{conf}.stable_secret" not in quiet


def test_a_router_that_listens_takes_routers_for_its_way_though_it_forwards() -> None:
    isp, home = Router("isp"), Router("home")
    wan = Link(isp, home, addresses=("auto", "slaac"))
    isp.advertise(wan)
    plan = make_plan([isp])
    assert dict(plan.node("home").sysctls)["net.ipv6.conf.eth0.accept_ra"] == "2"
    assert expected(plan).keys() == {("home", "eth0")}


def test_nobody_to_listen_to_is_refused() -> None:
    with pytest.raises(TopologyError, match=r"no router on its network \(home\) advertises"):
        Home().plan()
    it = Home()
    it.r1.advertise(it.lan, managed=True)  # the address is to come from elsewhere
    with pytest.raises(TopologyError, match="advertises the prefix"):
        it.plan()


def test_a_network_that_is_no_64_is_refused() -> None:
    it = Home(subnet="2001:db8:1::/56")
    it.r1.advertise(it.lan, prefix="2001:db8:1::/64")
    with pytest.raises(TopologyError, match="no /64, of which alone addresses are made"):
        it.plan()
    it = Home("auto", subnet="2001:db8:1::/56")
    it.r1.advertise(it.lan)
    with pytest.raises(TopologyError, match="is no /64, of which alone hosts make addresses"):
        it.plan()


def test_a_lab_may_be_so_everywhere() -> None:
    home, r1 = Switch("home"), Router("r1")
    Link(home, r1)
    h1, h2, h3 = Host("h1"), Host("h2"), Host("h3")
    Link(home, h1)
    Link(home, h2, address=["10.7.0.2/24", "2001:db8:7::2/64"])
    Link(r1, h3, addresses=("auto", None))
    lonely = Switch("lonely", subnet="10.8.0.0/24")
    Link(lonely, h1)
    plan = Lab(home, ipv6="slaac").plan()
    listening = [
        (node.name, item.name) for node in plan.nodes for item in node.interfaces if item.slaac
    ]
    assert listening == [("h1", "eth0")]
    assert [item.interface for item in plan.node("r1").advertisements] == ["eth0"]
    with pytest.raises(TopologyError, match='is none of True, False and "slaac"'):
        Lab(home, ipv6="dhcpv6")


def test_a_lab_without_any_of_it_is_planned_as_before() -> None:
    home, r1, h1 = Switch("home"), Router("r1"), Host("h1")
    for node in (r1, h1):
        Link(home, node)
    plan = make_plan([home], ipv6=True)
    assert not any(item.of_others for node in plan.nodes for item in node.interfaces)
    assert all(not node.services and not node.advertisements for node in plan.nodes)
    assert dict(plan.node("h1").sysctls)["net.ipv6.conf.eth0.accept_ra"] == "0"
