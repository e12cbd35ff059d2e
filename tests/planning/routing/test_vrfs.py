"""VRFs of a plan: each is a router of its own, and leaks are routes from one to another."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.lab.credentials import Credentials
from playground.lab.lab_as_json import load, save
from playground.operations.network import Host, Link, Router, Tunnel
from playground.operations.pictures.tree import draw
from playground.planning.difference import compare
from playground.planning.plan import Plan
from playground.planning.plan_parts import VrfPlan
from playground.planning.planner import make_plan
from playground.planning.routing.vrfs import vrf_settings


class TwoCustomers:
    """A router with two customers, each with two sites, of the same addresses."""

    def __init__(self) -> None:
        self.pe = Router("pe")
        self.hosts = [Host(f"h{number}") for number in range(1, 5)]
        subnets = ("10.1.0.0/24", "10.2.0.0/24", "10.1.0.0/24", "10.4.0.0/24")
        self.links = [
            Link(self.pe, host, subnet=subnet)
            for host, subnet in zip(self.hosts, subnets, strict=True)
        ]
        self.pe.vrf("blue", self.links[:2])
        self.pe.vrf("red", self.links[2:])

    def plan(self, previous: Plan | None = None) -> Plan:
        return make_plan([self.pe], previous=previous)


@pytest.fixture
def two() -> TwoCustomers:
    return TwoCustomers()


def routes(plan: Plan, name: str) -> list[str]:
    return [
        f"{route.destination} via {route.via} dev {route.interface} table {route.table}"
        for route in plan.node(name).routes
    ]


def names(plan: Plan, node: str) -> dict[str, str]:
    return {entry.names[0]: str(entry.address) for entry in plan.node(node).hosts}


def test_vrfs_may_use_the_same_addresses(two: TwoCustomers) -> None:
    plan = two.plan()
    assert plan.node("pe").vrfs == (VrfPlan("blue", 1001), VrfPlan("red", 1002))
    assert [item.vrf for item in plan.node("pe").interfaces] == ["blue", "blue", "red", "red"]
    assert {str(plan.node(name).interfaces[0].addresses[0]) for name in ("h1", "h3")} == {
        "10.1.0.2/24"
    }


def test_without_vrfs_they_may_not(two: TwoCustomers) -> None:
    two.pe.vrfs["red"].remove()
    two.pe.vrfs["blue"].remove()
    with pytest.raises(TopologyError, match=r"their subnets .* overlap"):
        two.plan()


def test_customers_see_their_own_and_the_router_sees_all(two: TwoCustomers) -> None:
    plan = two.plan()
    assert names(plan, "h1") == {"h1": "10.1.0.2", "h2": "10.2.0.2", "pe": "10.1.0.1"}
    assert names(plan, "h4") == {"h3": "10.1.0.2", "h4": "10.4.0.2", "pe": "10.4.0.1"}
    assert names(plan, "pe").keys() == {"h1", "h2", "h3", "h4", "pe"}


def test_routes_beyond_a_customers_router_are_in_its_table(two: TwoCustomers) -> None:
    ce = Router("ce")
    Link(ce, Host("h5"), subnet="10.5.0.0/24")
    uplink = Link(two.pe, ce, subnet="10.3.0.0/24")
    two.pe.vrf("red", [*two.links[2:], uplink])
    plan = two.plan()
    assert routes(plan, "pe") == ["10.5.0.0/24 via 10.3.0.2 dev eth4 table 1002"]
    assert routes(plan, "ce") == [
        "10.1.0.0/24 via 10.3.0.1 dev eth1 table 254",
        "10.4.0.0/24 via 10.3.0.1 dev eth1 table 254",
    ]
    assert routes(plan, "h5") == ["0.0.0.0/0 via 10.5.0.1 dev eth0 table 254"]


def test_a_vrf_without_routing_knows_its_own_networks_alone(two: TwoCustomers) -> None:
    ce = Router("ce")
    Link(ce, Host("h5"), subnet="10.5.0.0/24")
    two.pe.vrf("red", [*two.links[2:], Link(two.pe, ce)], routing=None)
    assert routes(two.plan(), "pe") == []


def test_a_leak_is_a_route_to_the_other_vrf(two: TwoCustomers) -> None:
    two.pe.leak("10.4.0.0/24", source="red", into="blue")
    plan = two.plan()
    assert routes(plan, "pe") == ["10.4.0.0/24 via None dev red table 1001"]
    assert routes(plan, "h1") == ["0.0.0.0/0 via 10.1.0.1 dev eth0 table 254"]
    assert names(plan, "h1")["h4"] == "10.4.0.2"
    assert "h3" not in names(plan, "h1")
    assert "h1" not in names(plan, "h4")


def test_a_host_alone_in_a_vrf_is_led_to_what_leaks_there() -> None:
    pe, h1, h2 = Router("pe"), Host("h1"), Host("h2")
    pe.vrf("blue", Link(pe, h1, subnet="10.1.0.0/24"))
    pe.vrf("red", Link(pe, h2, subnet="10.2.0.0/24"))
    assert routes(make_plan([pe]), "h1") == []
    pe.leak("10.2.0.0/24", source="red", into="blue")
    assert routes(make_plan([pe]), "h1") == ["0.0.0.0/0 via 10.1.0.1 dev eth0 table 254"]


def test_a_leak_reaches_the_main_table(two: TwoCustomers) -> None:
    h5 = Host("h5")
    Link(two.pe, h5, subnet="10.5.0.0/24")
    two.pe.leak("10.4.0.0/24", source="red", into=None)
    plan = two.plan()
    assert routes(plan, "pe") == ["10.4.0.0/24 via None dev red table 254"]
    assert routes(plan, "h5") == ["0.0.0.0/0 via 10.5.0.1 dev eth0 table 254"]


def test_routes_by_hand_lead_by_links_of_their_vrf(two: TwoCustomers) -> None:
    two.pe.route("10.9.0.0/16", via=two.hosts[2], vrf="red")
    [own] = two.plan().node("pe").own_routes
    assert (own.table, own.hops[0].interface) == (1002, "eth2")
    two.pe.route("10.9.0.0/16", via=two.hosts[2])
    with pytest.raises(TopologyError, match="leads to h3, which has no IPv4 address on a link"):
        two.plan()


def test_a_tunnel_ends_in_the_main_table(two: TwoCustomers) -> None:
    Tunnel(two.pe, two.hosts[0], kind="vxlan")
    with pytest.raises(TopologyError, match="tunnel"):
        two.plan()


def test_the_router_hears_what_comes_in_by_vrfs(two: TwoCustomers) -> None:
    assert vrf_settings(two.hosts[0], True) == {}
    found = vrf_settings(two.pe, True)
    assert found["net.ipv4.tcp_l3mdev_accept"] == "1"
    assert found["net.ipv4.conf.blue.rp_filter"] == found["net.ipv6.conf.red.disable_ipv6"] == "0"
    assert dict(two.plan().node("pe").sysctls).keys() >= vrf_settings(two.pe, False).keys()


def test_a_vrf_is_not_called_as_an_interface(two: TwoCustomers) -> None:
    two.pe.vrf("eth1", Link(two.pe, Host("h5")))
    with pytest.raises(TopologyError, match="the VRF eth1 is called as an interface of pe is"):
        two.plan()


def test_what_changes_is_told_and_nothing_else(two: TwoCustomers) -> None:
    two.pe.leak("10.4.0.0/24", source="red", into="blue")
    old = two.plan()
    two.pe.vrfs["red"].remove()
    new = two.plan(old)
    [change] = compare(old, new).inside
    assert change.vrfs_remove == (VrfPlan("red", 1002),)
    assert change.vrfs_leave == ("eth2", "eth3")
    assert not change.vrfs_add
    [back] = compare(new, old).inside
    assert back.vrfs_add == (VrfPlan("red", 1002),)
    assert [item.vrf for item in back.interfaces] == ["red", "red"]


def test_it_is_shown_as_commands(two: TwoCustomers) -> None:
    two.pe.leak("10.4.0.0/24", source="red", into="blue")
    lines = two.plan().node("pe").as_shell().splitlines()
    for line in (
        "ip link add blue type vrf table 1001",
        "ip link set dev eth0 master blue",
        "ip rule add priority 32765 lookup local",
        "ip route replace 10.4.0.0/24 table 1001 dev red",
    ):
        assert line in lines


def test_it_is_saved_with_the_lab(two: TwoCustomers) -> None:
    leak = two.pe.leak("10.4.0.0/24", source="red", into="blue")
    plan = two.plan()
    text = save([two.pe, *two.hosts], plan, Credentials.make({"ann": "secret"}))
    [pe] = [node for node in load(text).nodes if node.name == "pe"]
    assert isinstance(pe, Router)
    assert {name: (vrf.table, len(vrf.links)) for name, vrf in pe.vrfs.items()} == {
        "blue": (1001, 2),
        "red": (1002, 2),
    }
    assert pe.leaks == (leak,)
    assert load(text).plan == plan


def test_it_is_drawn(two: TwoCustomers) -> None:
    first = draw(two.plan(), width=100).splitlines()[0]
    assert "eth1 10.2.0.1 (blue)  eth2 10.1.0.1 (red)" in first
