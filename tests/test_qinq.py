"""VLANs within VLANs: customers' tags pass a provider's network and stay apart (IEEE 802.1ad)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from playground.engines.seam import Engine
from playground.errors import TopologyError
from playground.lab.credentials import Credentials
from playground.lab.lab import Lab
from playground.lab.lab_as_json import load, save
from playground.model.vlans import InnerVlan, PortPlan
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.broadcast_domains import find_domains
from playground.planning.planner import collect, make_plan
from tests.facts import assert_can_ping, assert_path


class Provider:
    """Two switches of a provider, with two sites of two customers at them, and one's router."""

    def __init__(self) -> None:
        self.west, self.east = (Switch(n, vlans=(100, 200), qinq=True) for n in ("west", "east"))
        self.core = Link(self.west, self.east, trunk=True)
        self.hosts: dict[str, Host] = {}
        for customer, service in (("red", 100), ("blue", 200)):
            for place, there in (("w", self.west), ("e", self.east)):
                site = Switch(f"{customer}-{place}", vlans=(10, 20))
                Link(site, there, trunk=(10, 20), service=service)
                for vlan in (10, 20):
                    host = Host(f"{customer}{vlan}{place}")
                    self.hosts[host.name] = host
                    Link(site, host, vlan=vlan)
        self.router = Router("red-router")
        Link(self.east, self.router, trunk=(10, 20), service=100)
        # One that sends no tags at all is in the service itself.
        self.plain = [Host("plain-w"), Host("plain-e")]
        for host, there in zip(self.plain, (self.west, self.east), strict=True):
            Link(there, host, vlan=200)


Said = Callable[[Switch, Switch], object]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (lambda p, c: Switch("p2", qinq=True), "name them: vlans=(100, 200)"),
        (lambda p, c: Switch("p2", vlans=(1,), qinq=1), "qinq=1 is neither True nor False"),  # type: ignore[arg-type]
        (lambda p, c: Link(p, c, trunk=(10,)), "of another kind; say in which of its VLANs"),
        (lambda p, c: Link(p, Host("h"), trunk=(10,)), "service=100"),
        (lambda p, c: Link(p, c, service=100), "say which of c's VLANs the provider carries"),
        (lambda p, c: Link(p, c, trunk=(30,), service=100), "switch c has no VLAN 30"),
        (lambda p, c: Link(p, c, trunk=(10,), service=300), "switch p has no VLAN 300"),
        (lambda p, c: Link(p, c, trunk=(10,), service=5000), "5000 is no number of a VLAN"),
        (lambda p, c: Link(c, Host("h"), vlan=10, service=100), "declare that one with qinq=True"),
        (lambda p, c: Link(p, Host("h"), trunk=True, service=100), "which tags does it send?"),
        (lambda p, c: Link(p, Host("h"), vlan=10, service=100), "write trunk=(10,)"),
    ],
)
def test_what_cannot_be_is_refused(said: Said, words: str) -> None:
    provider, customer = Switch("p", vlans=(100, 200), qinq=True), Switch("c", vlans=(10, 20))
    with pytest.raises(TopologyError) as caught:
        said(provider, customer)
    assert words in str(caught.value)


def test_each_vlan_of_a_customer_is_one_network_and_no_other_customers() -> None:
    provider = Provider()
    plan = make_plan([provider.west])
    subnets = {
        name: {
            str(address.network)
            for item in plan.node(name).interfaces
            for address in item.addresses
        }
        for name in [*provider.hosts, "red-router", "plain-w", "plain-e"]
    }
    for customer in ("red", "blue"):
        for vlan in (10, 20):
            assert subnets[f"{customer}{vlan}w"] == subnets[f"{customer}{vlan}e"]
    assert subnets["plain-w"] == subnets["plain-e"]
    assert subnets["red-router"] == subnets["red10w"] | subnets["red20w"]
    assert len(set.union(*subnets.values())) == 5
    # What is found of the plan is what is found of the declarations.
    domains = {frozenset(domain) for domain in find_domains(plan)}
    [red] = [domain for domain in domains if ("red10w", "eth0") in domain]
    assert {
        ("red10e", "eth0"),
        ("red-router", "eth0.10"),
        ("west", "100.10"),
        ("east", "100.10"),
        ("red-w", "10"),
    } <= red
    assert not any("blue" in node for node, _ in red)


def test_ports_of_a_provider_are_in_services_and_keep_tags() -> None:
    provider = Provider()
    plan = make_plan([provider.west])
    west = next(switch for switch in plan.switches if switch.name == "west")
    assert west.qinq
    assert west.ports[0] == PortPlan(west.ports[0].port, None, (100, 200), qinq=True)
    assert west.ports[1] == PortPlan("red-w-west", 100, (), qinq=True, service=True)
    filtering = "vlan_filtering 1 vlan_default_pvid 0 vlan_protocol 802.1ad"
    assert f"ip link set dev west type bridge {filtering}" in west.as_shell()
    assert "bridge vlan add dev red-w-west vid 100 pvid untagged" in west.as_shell()
    nodes = collect([provider.west])
    saved = load(save(nodes, plan, Credentials.make()))
    assert saved.plan == plan
    assert make_plan(saved.nodes) == plan
    assert repr(provider.west) == "Switch('west', vlans={100: None, 200: None}, qinq=True)"
    link = provider.router.links[0]
    assert repr(link) == "Link(east, red-router, trunk=(10, 20), service=100)"


def test_addresses_and_changes_are_said_of_a_customers_vlans() -> None:
    provider, router = Switch("p", vlans=(100,), qinq=True), Router("r")
    site = Switch("site", vlans={10: "10.1.0.0/24", 20: "10.2.0.0/24"})
    Link(provider, site, trunk=True, service=100)
    link = Link(provider, router, trunk=(10,), service=100, address={10: "10.1.0.9"})
    [_, tagged] = make_plan([provider]).node("r").interfaces
    assert [str(item) for item in tagged.addresses] == ["10.1.0.9/24"]
    link.change(trunk=(10, 20))
    assert link.carried.service == 100
    assert [str(one) for one in make_plan([provider]).node("r").interfaces[2].addresses] == [
        "10.2.0.1/24"
    ]


def test_an_inner_vlan_is_written_with_both_numbers() -> None:
    inner = InnerVlan.of(100, 10)
    assert (str(inner), f"{inner}", repr(inner)) == ("100.10", "100.10", "100.10")
    assert inner == InnerVlan.of(100, 10) != InnerVlan.of(10, 100)


@pytest.mark.second_kernel
def test_a_provider_carries_tags_within_its_own(engine: Engine) -> None:
    provider = Provider()
    with Lab(provider.west, name="provider", quiet=True) as lab:
        hosts = provider.hosts
        for customer in ("red", "blue"):
            for vlan in (10, 20):
                assert_can_ping(hosts[f"{customer}{vlan}w"], hosts[f"{customer}{vlan}e"])
        assert_can_ping(*provider.plain)
        with provider.core.capture() as packets:
            assert_can_ping(hosts["red10w"], hosts["red10e"])
        # 14 + 20 + 8 + 56 bytes, and two tags of 4.
        assert {row.length_bytes for row in packets.table() if row.protocol == "ICMP"} == {106}
        gateway = lab.plan().node("red-router").interfaces[1].addresses[0].ip
        assert_path(hosts["red10w"], hosts["red20e"], str(gateway), _address(lab, "red20e"))
        # An address of the other customer's, by the same number of a VLAN, is nobody's here.
        other = lab.plan().node("blue10e").interfaces[0].addresses[0]
        hosts["red10w"].run(f"ip address add {other.ip + 100}/24 dev eth0")
        assert hosts["red10w"].ping(str(other.ip), count=1, timeout_s=0.5).received == 0


def _address(lab: Lab, name: str) -> str:
    return str(lab.plan().node(name).interfaces[0].addresses[0].ip)
