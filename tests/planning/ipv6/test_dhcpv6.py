"""DHCPv6 in a plan: which addresses hosts will get, and what its daemons are told."""

from __future__ import annotations

from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.services.dhcp import DHCPRelay
from playground.model.services.ipv6.dhcpv6 import DHCPv6, DHCPv6Client
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.dhcp_networks import server_lines as relay_lines
from playground.planning.ipv6.dhcpv6 import server_lines, told_servers
from playground.planning.plan import Plan
from playground.planning.planner import make_plan

POOL = ("2001:db8:1::100", "2001:db8:1::1ff")


class Home:
    def __init__(self, address: Any = "dhcpv6", told: bool = True, **settings: Any) -> None:
        self.home = Switch("home", subnet=["10.1.0.0/24", "2001:db8:1::/64"])
        self.r1 = Router("r1", services=[DHCPv6(**settings)])
        self.h1, self.h2 = Host("h1"), Host("h2")
        lan = Link(self.home, self.r1)
        for host in (self.h1, self.h2):
            Link(self.home, host, address=address)
        if told:
            self.r1.advertise(lan, managed=True, autonomous=address != "dhcpv6")

    def plan(self) -> Plan:
        return make_plan([self.home])

    def addresses(self) -> list[str]:
        plan = self.plan()
        return [str(plan.node(name).interfaces[0].addresses[1].ip) for name in ("h1", "h2")]


def test_hosts_get_addresses_of_the_pool_and_those_that_are_theirs() -> None:
    assert Home(pool=POOL).addresses() == ["2001:db8:1::100", "2001:db8:1::101"]
    fixed = Home(pool=POOL, static={"h2": "2001:db8:1::7"})
    assert fixed.addresses() == ["2001:db8:1::100", "2001:db8:1::7"]
    assert Home().addresses() == ["2001:db8:1::2", "2001:db8:1::3"]


def test_the_server_keeps_the_planned_address() -> None:
    it = Home(pool=POOL)
    Link(it.home, Host("ns", services=["dns"]))
    plan = it.plan()
    macs = [plan.node(name).interfaces[0].mac for name in ("h1", "h2")]
    assert server_lines(plan, plan.node("r1")) == (
        "dhcp-range=set:net0,2001:db8:1::100,2001:db8:1::1ff,64,3600",
        # In the lab's own words the name server is 10.1.0.4.
        "dhcp-option=tag:net0,option6:dns-server,[2001:db8:1::4]",
        f"dhcp-host={macs[0]},[2001:db8:1::100],h1",
        f"dhcp-host={macs[1]},[2001:db8:1::101],h2",
    )
    assert told_servers(plan) == dict.fromkeys(("h1", "h2"), ("2001:db8:1::4",))


def relayed(to: Any = "office", services: tuple[Any, ...] = ("dhcpv6",)) -> Plan:
    """A network whose router relays to a server behind it, which is on another one."""
    floor = Switch("floor", subnet="2001:db8:1::/64")
    hall = Switch("hall", subnet="2001:db8:2::/64")
    office = Host("office", services=services)
    r1 = Router("r1", services=[DHCPRelay(to=to)])
    up = Link(floor, r1)
    down = Link(hall, r1)
    Link(hall, office)
    for name, switch in (("guest", floor), ("clerk", hall)):
        Link(switch, Host(name), address="dhcpv6")
    r1.advertise(up, managed=True)
    r1.advertise(down, managed=True)
    return make_plan([floor])


def test_a_relay_takes_questions_to_a_server_elsewhere() -> None:
    plan = relayed(services=(DHCPv6(pool=POOL, static={"clerk": "2001:db8:2::7"}),))
    guest, clerk, office = (plan.node(name).interfaces[0] for name in ("guest", "clerk", "office"))
    assert [str(item) for item in guest.addresses] == ["2001:db8:1::100/64"]
    assert [str(item) for item in clerk.addresses] == ["2001:db8:2::7/64"]
    lines = server_lines(plan, plan.node("office"))
    assert f"dhcp-host={guest.mac},[2001:db8:1::100],guest" in lines
    assert "dhcp-range=set:net1,2001:db8:2::,static,64,3600" in lines
    server = office.addresses[0].ip
    assert relay_lines(plan, plan.node("r1")) == (f"dhcp-relay=2001:db8:1::1,{server}",)
    # The address says as much as the name.
    by_address = relayed(to=str(server))
    assert relay_lines(by_address, by_address.node("r1")) == (f"dhcp-relay=2001:db8:1::1,{server}",)


def test_a_relay_to_what_is_no_server_is_refused() -> None:
    for to, services, words in (
        ("office", ("http",), "office, which has no dhcp service"),
        ("nobody", ("dhcpv6",), "'nobody', which is no node of this lab and no address"),
    ):
        with pytest.raises(TopologyError, match=words):
            relayed(to, services)


def test_a_client_asks_for_an_address_or_for_the_rest_alone() -> None:
    def asked(it: Home) -> str:
        [client] = it.plan().node("h1").services
        assert isinstance(client, DHCPv6Client)
        return client.configuration

    assert asked(Home()).endswith("allowinterfaces eth0\ninterface eth0\nia_na 1\n")
    both = Home(["slaac", "dhcpv6"], stateless=True)
    assert asked(both).endswith("interface eth0\ninform6\n")
    plan = both.plan()
    assert server_lines(plan, plan.node("r1")) == (
        "dhcp-range=set:net0,2001:db8:1::,static,64,3600",
    )


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(TopologyError, match=r"no router on its network \(home\) advertises it"):
        Home(told=False).plan()
    with pytest.raises(TopologyError, match="is stateless and gives no addresses"):
        Home(stateless=True).plan()
    with pytest.raises(TopologyError, match="outside its network 2001:db8:1::/64"):
        Home(static={"h1": "2001:db8:2::7"}).plan()
    home, r1 = Switch("home", subnet="2001:db8:1::/64"), Router("r1")
    r1.advertise(Link(home, r1), managed=True)
    Link(home, Host("h1"), address="dhcpv6")
    with pytest.raises(TopologyError, match=r"nobody on its network \(home\) answers"):
        make_plan([home])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pool": "2001:db8::1"}, "is no pair"),
        ({"pool": ("10.0.0.1", "10.0.0.9")}, "no IPv6 address"),
        ({"pool": POOL[::-1]}, "first address is above its last"),
        ({"lease_s": 60}, "from 120 on"),
        ({"options": {"a b": "c"}}, "cannot be written down"),
        ({"static": {"h1": "10.0.0.1"}}, "static address of 'h1'"),
        ({"stateless": 1}, "neither True nor False"),
        ({"stateless": True, "pool": POOL}, "leave one of the two out"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        DHCPv6(**settings)
