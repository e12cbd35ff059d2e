"""Prefix delegation: who gets which prefix, and a home that gets its networks so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playground.engines.seam import Engine
from playground.errors import TopologyError
from playground.lab import lab_as_json
from playground.lab.credentials import Credentials
from playground.lab.lab import Lab
from playground.model.services.ipv6.delegation import PrefixDelegation
from playground.operations.network import Host, Link, Router
from playground.planning.ipv6.delegation import kea_text
from playground.planning.planner import collect, make_plan
from tests.facts import assert_can_ping


class Street:
    """A provider, two homes that ask it for networks, and a host elsewhere."""

    def __init__(self, delegates: bool = True, lan: Any = None, **settings: Any) -> None:
        services = [PrefixDelegation("2001:db8:100::/40", **settings)] if delegates else []
        self.isp, self.far = Router("isp", services=services), Host("far")
        self.homes, self.hosts = [Router("a"), Router("b")], [Host("ha"), Host("hb")]
        Link(self.isp, self.far, subnet="2001:db8:f::/64")
        for number, (home, host) in enumerate(zip(self.homes, self.hosts, strict=True)):
            wan = Link(
                self.isp, home, subnet=f"2001:db8:{number + 1}::/64", addresses=("auto", "slaac")
            )
            lan_link = Link(home, host, subnet=lan, addresses=("auto", "slaac"))
            cellar = Link(home, Host(f"cellar-{home.name}"))
            self.isp.advertise(wan)
            home.advertise(lan_link)
            home.request_prefix(wan, to=[lan_link, cellar])


def test_homes_get_prefixes_and_their_networks_are_parts_of_them() -> None:
    plan = make_plan([Street(static={"b": "2001:db8:100::/56"}).isp])
    found = {
        name: [
            str(address.network)
            for item in plan.node(name).interfaces
            for address in item.addresses
            if item.delegated
        ]
        for name in ("a", "b")
    }
    # The first is somebody's already.
    assert found == {
        "a": ["2001:db8:100:100::/64", "2001:db8:100:101::/64"],
        "b": ["2001:db8:100::/64", "2001:db8:100:1::/64"],
    }
    [client] = [one for one in plan.node("a").services if one.service == "dhcpv6-client"]
    assert vars(client)["configuration"].endswith(
        "allowinterfaces eth0 eth1 eth2\nnohook resolv.conf\ninterface eth0\n"
        "ia_pd 101 eth1/0/64/1 eth2/1/64/1\n"
    )
    said = json.loads(kea_text(plan, plan.node("isp")))["Dhcp6"]
    reserved = {
        item["interface"]: [one["prefixes"] for one in item["reservations"]]
        for item in said["subnet6"]
    }
    assert reserved == {
        "eth0": [],
        "eth1": [["2001:db8:100:100::/56"]],
        "eth2": [["2001:db8:100::/56"]],
    }
    assert kea_text(plan, plan.node("far")) == ""


def test_what_cannot_be_given_is_refused() -> None:
    with pytest.raises(TopologyError, match="nobody there delegates any"):
        make_plan([Street(delegates=False).isp])
    with pytest.raises(TopologyError, match="gets 2001:db8:100::/64, which has 1"):
        make_plan([Street(length=64).isp])
    with pytest.raises(TopologyError, match="no /40 of 2001:db8:100::/40 left for b"):
        make_plan([Street(length=40).isp])
    with pytest.raises(TopologyError, match="a network of its prefix, and it has 2001:db8:7::/64"):
        make_plan([Street(lan="2001:db8:7::/64").isp])


def test_a_saved_lab_remembers_it() -> None:
    it = Street()
    plan = make_plan([it.isp])
    text = lab_as_json.save(collect([it.isp]), plan, Credentials.make({"student": "x"}))
    saved = lab_as_json.load(text)
    assert saved.plan == plan
    assert make_plan(saved.nodes) == plan


def test_a_home_gets_its_networks_from_its_provider(engine: Engine) -> None:
    it = Street()
    with Lab(it.isp, name="six-street", engine=engine, quiet=True):
        said = it.homes[0].run("ip -6 address show dev eth1 scope global").stdout
        assert "2001:db8:100::1/64" in said
        assert "dynamic" in said
        routes = it.homes[0].run("ip -6 route").stdout
        assert "unreachable 2001:db8:100::/56" in routes
        assert "2001:db8:100:0:" in it.hosts[0].run("ip -6 address").stdout
        assert_can_ping(it.hosts[0], it.far)
        assert_can_ping(it.hosts[1], it.hosts[0])
        assert_can_ping(it.far, "cellar-b")
