"""Labels in a plan: interfaces that take them, ldpd's settings, the kernel's, and who needs it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from playground.lab.credentials import Credentials
from playground.lab.lab_as_json import load, save
from playground.model.services.frr import LDP
from playground.operations.network import Host, Link, Router
from playground.operations.pictures.tree import draw
from playground.planning.links.kernel_needs import kernel_needs
from playground.planning.plan import Plan
from playground.planning.planner import make_plan
from playground.planning.routing.labels import label_settings, ldp_services, ldp_settings


def chain() -> list[Router]:
    routers = [Router(f"r{n}", routing="ospf", loopback=f"10.10.10.{n}/32") for n in (1, 2, 3)]
    core = [Link(routers[0], routers[1]), Link(routers[1], routers[2])]
    for router in routers:
        router.mpls([link for link in router.links if link in core])
    for router in routers:
        Link(router, Host(f"h-{router.name}"))
    return routers


@pytest.fixture
def plan() -> Plan:
    return make_plan([chain()[0]])


def test_interfaces_that_were_named_take_labels(plan: Plan) -> None:
    r2 = plan.node("r2")
    assert r2.labelled == ("eth0", "eth1")
    settings = dict(r2.sysctls)
    assert settings["net.mpls.platform_labels"] == "100000"
    assert settings["net.mpls.conf.eth1.input"] == "1"
    assert "net.mpls.conf.eth2.input" not in settings
    assert plan.node("h-r2").labelled == ()
    [ldp] = [item for item in r2.services if isinstance(item, LDP)]
    assert ldp.configuration == ldp_settings(IPv4Address("10.10.10.2"), ["eth0", "eth1"])


def test_ldpd_speaks_from_the_loopback_address() -> None:
    text = ldp_settings(IPv4Address("10.10.10.2"), ["eth0"])
    assert "  discovery transport-address 10.10.10.2\n  interface eth0\n" in text


def test_who_has_none_needs_nothing() -> None:
    assert ldp_services(Host("h1"), ()) == () and label_settings(()) == {}
    r1 = Router("r1", routing="ospf", loopback="10.10.10.1/32")
    Link(r1, Host("h1"))
    plan = make_plan([r1])
    assert "mpls" not in kernel_needs(plan)
    assert not any("mpls" in name for name, _ in plan.node("r1").sysctls)


def test_it_is_refused_drawn_and_saved(plan: Plan) -> None:
    assert kernel_needs(plan)["mpls"] == ["labels of r1", "labels of r2", "labels of r3"]
    assert "MPLS, " in draw(plan)
    routers = chain()
    hosts = [link.peer(router).node for router in routers for link in router.links[-1:]]
    plan = make_plan(routers)
    found = load(save([*routers, *hosts], plan, Credentials.make({"ann": "secret"})))
    [r2] = [node for node in found.nodes if node.name == "r2"]
    assert isinstance(r2, Router) and len(r2.mpls_links) == 2
    assert found.plan == plan
