"""NAT64 in a plan, and in a network whose hosts have IPv6 alone."""

from __future__ import annotations

import pytest

from playground.engines.seam import Engine
from playground.errors import TopologyError
from playground.lab import lab_as_json
from playground.lab.credentials import Credentials
from playground.lab.lab import Lab
from playground.lab.provision import provision
from playground.model.services.ipv6.nat64 import DNS64
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.planner import collect, make_plan
from tests.facts import assert_can_ping, get_page


class Modern:
    """Hosts with IPv6 alone behind r1, and an old Internet outside."""

    def __init__(self, **said: str) -> None:
        self.home = Switch("home", subnet="2001:db8:1::/64")
        self.outside = Switch("outside", subnet="203.0.113.0/24")
        self.ns, self.www = Host("ns", services=["dns"]), Host("www.example.com", services=["http"])
        self.r1, self.h1 = Router("r1", services=[DNS64(to=self.ns)]), Host("h1")
        lan, uplink = Link(self.home, self.r1), Link(self.outside, self.r1)
        Link(self.home, self.h1, address="slaac")
        for host in (self.ns, self.www):
            Link(self.outside, host)
        self.lan = lan
        self.r1.advertise(lan)
        self.r1.nat64(uplink, **said)


def test_the_translator_has_a_device_and_its_addresses() -> None:
    it = Modern()
    plan = make_plan([it.home])
    node = plan.node("r1")
    assert node.container.devices == ("/dev/net/tun",)
    [tayga] = [item for item in node.services if item.service == "nat64"]
    assert vars(tayga)["configuration"] == (
        "tun-device nat64\nipv4-addr 192.168.255.1\nprefix 2001:db8:64:ff9b::/96\n"
        "dynamic-pool 192.168.255.0/24\n"
    )
    assert not plan.node("h1").container.devices
    files = {
        file.path: file.content.decode(errors="replace")
        for file in provision(plan, Credentials.make({"student": "secret"}))["r1"].files
    }
    assert 'module-config: "dns64 iterator"' in files["/etc/unbound/dns64.conf"]
    assert "forward-addr: 203.0.113.2\n" in files["/etc/unbound/dns64.conf"]


def test_its_addresses_are_those_of_no_network() -> None:
    for name, value in (("pool", "203.0.113.0/25"), ("prefix", "2001:db8:1::/96")):
        it = Modern(**{name: value})
        with pytest.raises(TopologyError, match=f"choose another with {name}="):
            make_plan([it.home])


def told(nodes: list[Switch]) -> list[str]:
    [said] = make_plan(nodes).node("r1").advertisements
    return [str(server) for server in said.rdnss]


def test_hosts_with_ipv6_alone_are_told_of_the_server_that_leads_to_the_translator() -> None:
    it = Modern()
    assert told([it.home]) == ["2001:db8:1::1"]
    # Of an old Internet's names this one has IPv4 addresses alone.
    Link(it.home, Host("ns6", services=["dns"]))
    assert told([it.home]) == ["2001:db8:1::1"]
    it.r1.advertise(it.lan, rdnss=())
    assert told([it.home]) == []


def test_who_has_both_families_asks_whom_it_asked_before() -> None:
    home = Switch("home", subnet=["10.0.1.0/24", "2001:db8:1::/64"])
    ns, r1, h1 = Host("ns", services=["dns"]), Router("r1", services=[DNS64(to="ns")]), Host("h1")
    lan = Link(home, r1)
    for host in (ns, h1):
        Link(home, host)
    r1.advertise(lan)
    assert told([home]) == ["2001:db8:1::2"]


def test_a_saved_lab_remembers_it() -> None:
    it = Modern(pool="10.77.0.0/24")
    plan = make_plan([it.home])
    text = lab_as_json.save(collect([it.home]), plan, Credentials.make({"student": "x"}))
    saved = lab_as_json.load(text)
    assert saved.plan == plan
    assert make_plan(saved.nodes) == plan


@pytest.mark.cannot("swarm", "give hosts devices of the machine")
def test_a_host_with_ipv6_alone_reaches_one_with_ipv4_alone(engine: Engine) -> None:
    it = Modern()
    with Lab(it.home, name="six-modern", engine=engine, quiet=True) as lab:
        assert "inet " not in it.h1.run("ip address show dev eth0").stdout
        assert "inet6" not in it.www.run("ip address show dev eth0 scope global").stdout
        assert get_page(it.h1, "http://www.example.com/")[0] == 200
        old = "2001:db8:64:ff9b::203.0.113.3"
        assert_can_ping(it.h1, old)
        it.r1.services["nat64"].stop()
        found = lab.explain(it.h1, old)
        assert (found.node, found.cause) == ("r1", "translator stopped")
        assert 'r1.services["nat64"].start()' in found.advice
