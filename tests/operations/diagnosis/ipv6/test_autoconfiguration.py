"""Why a host has no IPv6 address: causes told apart, and a network in which one is found."""

from __future__ import annotations

import pytest

from playground.engines.seam import Engine
from playground.lab.lab import Lab
from playground.operations.diagnosis.faults.advised_calls import variable
from playground.operations.diagnosis.ipv6.autoconfiguration import unconfigured
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.plan import Plan
from playground.planning.planner import make_plan
from tests.facts import wait_on


def home(**said: object) -> Plan:
    home, r1, h1 = Switch("home", subnet="2001:db8:5::/64"), Router("r1"), Host("h1")
    lan = Link(home, r1)
    Link(home, h1, address="slaac")
    r1.advertise(lan, **said)  # type: ignore[arg-type]
    return make_plan([home], strict=False)


@pytest.mark.parametrize(
    ("said", "settings", "has_address", "cause", "words"),
    [
        ({}, {"accept_ra": "0"}, False, "advertisements refused", 'accept_ra"] = 1'),
        ({}, {}, False, "no router advertisement", 'r1.services["radvd"].start()'),
        ({"managed": True}, {"heard": "router managed"}, False, "no DHCPv6 server", "dhcpv6"),
        ({"prefix": ()}, {"heard": "router"}, False, "no prefix advertised", "prefix="),
        ({"lifetime_s": 0}, {"heard": "router"}, True, "no default router", "radvd.conf"),
    ],
)
def test_causes(
    said: dict[str, object], settings: dict[str, str], has_address: bool, cause: str, words: str
) -> None:
    plan = home(**said)
    read = {"ipv6.accept_ra": "1"} | {f"ipv6.{name}": value for name, value in settings.items()}
    [interface] = plan.node("h1").interfaces
    found = unconfigured(plan, "h1", interface, read, has_address, variable)
    assert found is not None
    assert found.name == cause
    assert words in found.remedy
    [interface] = plan.node("r1").interfaces
    assert unconfigured(plan, "r1", interface, {}, False, variable) is None


def test_a_host_that_was_given_no_address_is_led_to_its_server() -> None:
    home, r1, h1 = Switch("home", subnet="2001:db8:5::/64"), Router("r1"), Host("h1")
    r1.advertise(Link(home, r1), managed=True)
    Link(home, h1, address="dhcpv6")
    Link(home, Host("keeper", services=["dhcpv6"]))
    plan = make_plan([home])
    [interface] = plan.node("h1").interfaces
    read = {"ipv6.accept_ra": "1", "ipv6.heard": "router managed"}
    found = unconfigured(plan, "h1", interface, read, False, variable)
    assert found is not None
    assert found.name == "no DHCPv6 server"
    assert 'keeper.services["dhcpv6"].start()' in found.remedy


def test_a_router_that_has_gone_silent_is_found(namespaces_engine: Engine) -> None:
    home, r1 = Switch("home", subnet="2001:db8:5::/64"), Router("r1")
    h1, far = Host("h1"), Host("far")
    r1.advertise(Link(home, r1))
    Link(home, h1, address="slaac")
    Link(r1, far, subnet="2001:db8:6::/64")
    with Lab(home, name="six-silent", engine=namespaces_engine, quiet=True) as lab:
        assert not lab.explain(h1, far).cause
        assert "router" in lab.state().nodes["h1"].interface("eth0").settings["ipv6.heard"]
        r1.services["radvd"].stop()  # its last word: no way out any more (RFC 4861 6.2.5)
        wait_on(h1, "! ip -6 route | grep -q ^default")
        found = lab.explain(h1, far)
        assert (found.cause, found.node) == ("no default router", "h1")
        h1.run("ip -6 address flush dev eth0 scope global")
        h1.sysctls["net.ipv6.conf.eth0.accept_ra"] = 0
        assert lab.explain(h1, far).cause == "advertisements refused"
