"""What a node's firewall and NAT come to: rules with addresses, and rows of what was counted."""

from __future__ import annotations

from ipaddress import ip_address

from playground.plan import FilterPlan, ForwardPlan, NatPlan, UplinkPlan
from playground.planning import make_plan
from playground.rulesets import make_ruleset
from playground.topology import Host, Link, Router, Switch

WEB = ForwardPlan("eth0", (ip_address("10.9.0.1"),), "tcp", 8080, ip_address("192.168.1.2"), 80)


def masquerading(*uplinks: str, forwards: tuple[ForwardPlan, ...] = ()) -> str:
    return make_ruleset(NatPlan(tuple(map(UplinkPlan, uplinks)), forwards), FilterPlan())


# -- NAT ---------------------------------------------------------------------


def test_only_masquerading_routers_have_a_ruleset() -> None:
    modem, isp, h1 = Router("modem"), Router("isp"), Host("h1")
    Link(modem, h1)
    modem.masquerade(Link(modem, isp, names=("wan", None)))
    plan = make_plan([modem])
    assert plan.node("modem").ruleset == masquerading("wan")
    assert (plan.node("isp").ruleset, plan.node("h1").ruleset) == ("", "")


def test_a_forward_is_written_with_addresses() -> None:
    home, modem, isp, h1 = Switch("home"), Router("modem"), Router("isp"), Host("h1")
    Link(home, modem, address="192.168.1.1/24")
    Link(home, h1, address="192.168.1.2")
    uplink = Link(isp, modem, addresses=("10.25.1.1/32", "10.25.1.65/16"))
    modem.masquerade(uplink)
    modem.forward(uplink, port=8080, to=(h1, 80))
    wanted = ForwardPlan("eth1", (ip_address("10.25.1.65"),), "tcp", 8080, WEB.to, 80)
    assert make_plan([home]).node("modem").ruleset == masquerading("eth1", forwards=(wanted,))


def test_a_forward_goes_to_the_hosts_address_inside() -> None:
    modem, isp, h1 = Router("modem"), Router("isp"), Host("h1")
    uplink = Link(modem, isp)
    Link(isp, h1)
    Link(modem, h1)
    modem.masquerade(uplink)
    modem.forward(uplink, port=8080, to=h1)
    assert "dnat ip to 10.0.3.2:8080" in make_plan([modem]).node("modem").ruleset
