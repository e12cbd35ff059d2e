"""Router advertisements as a plan has them, and what radvd is told."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from playground.errors import TopologyError
from playground.model.services.ipv6.radvd import RouterAdvertisements
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import make_plan

PREFIX = ip_network("2001:db8:1::/64")


def test_the_name_server_of_the_lab_is_told_of() -> None:
    home, r1 = Switch("home", subnet="2001:db8:1::/64"), Router("r1")
    lan = Link(home, r1)
    ns = Host("ns", services=["dns"])
    Link(home, ns)
    r1.advertise(lan)
    [said] = make_plan([home]).node("r1").advertisements
    assert [str(item) for item in said.rdnss] == ["2001:db8:1::2"]
    r1.advertise(lan, rdnss=())
    [said] = make_plan([home]).node("r1").advertisements
    assert said.rdnss == ()


def test_a_name_server_without_ipv6_is_refused() -> None:
    home, r1, old = Switch("home"), Router("r1"), Host("old")
    lan = Link(home, r1)
    Link(r1, old, subnet="10.9.0.0/24")
    r1.advertise(lan, rdnss=old)
    with pytest.raises(TopologyError, match="the name server old, which has no IPv6 address"):
        make_plan([home])


def test_a_router_has_one_text_of_radvd() -> None:
    home = Switch("home")
    r1 = Router("r1", services=[RouterAdvertisements("interface eth0 { AdvSendAdvert on; };\n")])
    lan = Link(home, r1)
    make_plan([home])
    r1.advertise(lan)
    with pytest.raises(TopologyError, match="radvd, and that service is declared too"):
        make_plan([home])


def test_the_first_word_of_a_router_that_runs_is_refused() -> None:
    home, r1 = Switch("home"), Router("r1")
    lan = Link(home, r1)
    plan = make_plan([home])
    r1.advertise(lan)
    with pytest.raises(TopologyError, match="was started without radvd"):
        make_plan([home], previous=plan)
    started = make_plan([home])
    r1.advertise(lan, preference="low")
    assert make_plan([home], previous=started).node("r1").advertisements[0].preference == "low"
