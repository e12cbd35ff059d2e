"""Addresses: automatic, by hand, in both families, and in a lab that grows."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.errors import TopologyError
from playground.operations.network import Host, Link, Node, Router, Switch
from playground.planning.plan import Plan
from playground.planning.planner import make_plan
from tests.networks import nat_networks, plain_networks


def addresses(plan: Plan, family: int = 4) -> dict[str, list[str]]:
    """Return every node's addresses of one family, in the order of its interfaces."""
    return {
        node.name: [
            str(address)
            for interface in node.interfaces
            for address in interface.addresses
            if address.version == family
        ]
        for node in plan.nodes
    }


def lan(*nodes: Host | Router, subnet: str | None = None) -> Switch:
    switch = Switch("lan", subnet=subnet)
    for node in nodes:
        Link(switch, node)
    return switch


# -- automatic --------------------------------------------------------------


def test_each_segment_gets_the_next_24() -> None:
    a, b, c = Router("a"), Router("b"), Router("c")
    Link(a, b)
    Link(b, c)
    assert addresses(make_plan([a])) == {
        "a": ["10.0.1.1/24"],
        "b": ["10.0.1.2/24", "10.0.2.1/24"],
        "c": ["10.0.2.2/24"],
    }


def test_routers_come_first_then_hosts_in_the_order_linked() -> None:
    switch = lan(Host("h1"), Router("r1"), Host("h2"), Router("r2"))
    assert addresses(make_plan([switch])) == {
        "h1": ["10.0.1.3/24"],
        "r1": ["10.0.1.1/24"],
        "h2": ["10.0.1.4/24"],
        "r2": ["10.0.1.2/24"],
    }


def test_connected_switches_are_one_subnet() -> None:
    one, two = Switch("one"), Switch("two", subnet="10.9.0.0/24")
    Link(one, Host("h1"))
    Link(one, two)
    Link(two, Host("h2"))
    assert addresses(make_plan([one])) == {"h1": ["10.9.0.1/24"], "h2": ["10.9.0.2/24"]}


@pytest.mark.parametrize(
    ("taken", "next_free"),
    [
        ("10.0.1.0/24", "10.0.2.0/24"),
        ("10.0.1.128/25", "10.0.2.0/24"),
        ("10.0.0.0/16", "10.1.0.0/24"),
        ("10.0.2.0/24", "10.0.1.0/24"),
        ("10.0.0.0/9", "10.128.0.0/24"),
        ("192.168.1.0/24", "10.0.1.0/24"),
    ],
)
def test_what_is_set_by_hand_is_left_out(taken: str, next_free: str) -> None:
    a, b, c = Router("a"), Router("b"), Router("c")
    Link(a, b)
    Link(b, c, subnet=taken)
    found = make_plan([a]).node("a").interfaces[0].addresses[0].network
    assert found == ip_network(next_free)


@pytest.mark.parametrize(
    "given_addresses",
    [("10.0.1.5/24", None), ("10.0.1.1/32", "10.77.0.1/32"), ("10.77.0.1/32", "10.0.1.9/24")],
    ids=["subnet", "point-to-point", "wide side"],
)
def test_addresses_set_by_hand_are_left_out_too(given_addresses: tuple[str, str]) -> None:
    a, b, c = Router("a"), Router("b"), Router("c")
    Link(a, b)
    Link(b, c, addresses=given_addresses)
    assert addresses(make_plan([a]))["a"] == ["10.0.2.1/24"]


def test_no_24_is_left() -> None:
    a, b = Router("a"), Router("b")
    Link(a, b, subnet="10.0.0.0/8")
    Link(a, b)
    with pytest.raises(TopologyError, match=r"no /24 of 10\.0\.0\.0/8 is left"):
        make_plan([a])


@pytest.mark.parametrize("nothing", [None, (None, None), ((), [])], ids=repr)
@pytest.mark.parametrize("ipv6", [False, True])
def test_nobody_has_an_address_where_there_is_to_be_none(nothing: Any, ipv6: bool) -> None:
    a, b, c = Router("a"), Router("b"), Host("c")
    link = Link(a, b, addresses=nothing)
    Link(b, c)
    plan = make_plan([a], ipv6=ipv6)
    for family in (4, 6) if ipv6 else (4,):
        assert [len(addresses(plan, family)[name]) for name in "abc"] == [0, 1, 1]
    assert {name for entry in plan.node("c").hosts for name in entry.names} == {"b", "c"}
    assert not plan.node("a").routes
    assert repr(link) == "Link(a, b, addresses=(None, None))"


def test_one_of_a_switch_has_no_address_and_takes_none_away() -> None:
    lan, office, h1, r = Switch("lan", subnet="10.3.0.0/30"), Switch("o", vlans=(10, 20)), *two()
    for name in ("h2", "h3", "h4"):
        assert repr(Link(lan, Host(name), address=None)).endswith(f"{name}, address=None)")
    Link(lan, r)
    Link(lan, h1)
    trunk = Link(office, r, trunk=True, address={10: None})
    assert repr(trunk) == "Link(o, r, trunk=True, address={10: None})"
    found = addresses(make_plan([h1]))
    assert [found[name] for name in ("h1", "h2", "r")] == [
        ["10.3.0.2/30"],
        [],
        ["10.3.0.1/30", "10.0.1.1/24"],
    ]
    assert not make_plan([h1]).node("h2").routes


def two() -> tuple[Host, Router]:
    return Host("h1"), Router("r")


# -- by hand ----------------------------------------------------------------


def test_automatic_addresses_keep_clear_of_those_set_by_hand() -> None:
    home = Switch("home", subnet="192.168.1.0/29")
    Link(home, Host("h1"), address="192.168.1.1")
    Link(home, Host("h2"))
    Link(home, Host("h3"), address=["192.168.1.3", "192.168.1.4"])
    Link(home, Router("r"))
    assert addresses(make_plan([home])) == {
        "h1": ["192.168.1.1/29"],
        "h2": ["192.168.1.5/29"],
        "h3": ["192.168.1.3/29", "192.168.1.4/29"],
        "r": ["192.168.1.2/29"],
    }


def test_a_prefix_says_the_subnet() -> None:
    plain, isp, modem = Switch("plain"), Router("isp"), Router("modem")
    Link(plain, Host("h1"), address="10.25.1.65/16")
    Link(plain, isp)
    Link(isp, modem, addresses=("auto", "203.0.113.9/29"))
    assert addresses(make_plan([plain])) == {
        "h1": ["10.25.1.65/16"],
        "isp": ["10.25.0.1/16", "203.0.113.10/29"],
        "modem": ["203.0.113.9/29"],
    }


def test_an_address_without_a_prefix_needs_a_subnet() -> None:
    plain = Switch("plain")
    Link(plain, Host("h1"), address="10.25.1.65")
    with pytest.raises(TopologyError, match=r"plain: address 10.25.1.65 of h1 needs a subnet"):
        make_plan([plain])


def test_one_prefix_is_enough_for_all_on_a_switch() -> None:
    plain = Switch("plain")
    Link(plain, Host("h1"), address="10.25.1.65")
    Link(plain, Host("h2"), address="10.25.1.66/24")
    assert addresses(make_plan([plain]))["h1"] == ["10.25.1.65/24"]


def test_point_to_point_addresses_are_taken_as_they_are() -> None:
    isp, modem, other = Router("isp"), Router("modem"), Router("other")
    Link(isp, modem, addresses=("10.25.1.1/32", "10.25.1.65/16"))
    Link(isp, other, addresses=("10.25.1.1/32", "10.25.1.66/32"))
    assert addresses(make_plan([isp])) == {
        "isp": ["10.25.1.1/32", "10.25.1.1/32"],
        "modem": ["10.25.1.65/16"],
        "other": ["10.25.1.66/32"],
    }


def test_a_slash_31_and_a_slash_30() -> None:
    a, b = Router("a"), Router("b")
    Link(a, b, subnet="10.9.9.0/31")
    Link(a, b, subnet="10.9.8.0/30")
    assert addresses(make_plan([a])) == {
        "a": ["10.9.9.0/31", "10.9.8.1/30"],
        "b": ["10.9.9.1/31", "10.9.8.2/30"],
    }


# -- what is refused --------------------------------------------------------


def test_a_full_subnet() -> None:
    home = lan(*(Host(f"h{n}") for n in range(3)), subnet="10.9.9.0/30")
    with pytest.raises(TopologyError) as caught:
        make_plan([home])
    assert str(caught.value) == (
        "lan: its subnet 10.9.9.0/30 is full: it has room for 2, and 3 interfaces are linked to "
        "it; set a larger subnet by hand, such as one with /28"
    )


def test_an_automatic_subnet_is_full_with_254() -> None:
    hosts = [Host(f"h{n}") for n in range(254)]
    home = lan(*hosts)
    assert addresses(make_plan([home]))["h253"] == ["10.0.1.254/24"]
    Link(home, Host("one-more"))
    with pytest.raises(TopologyError, match="room for 254, and 255 interfaces"):
        make_plan([home])


def test_two_subnets_on_connected_switches() -> None:
    one, two = Switch("one", subnet="10.1.0.0/24"), Switch("two", subnet="10.2.0.0/24")
    Link(one, Host("h1"))
    Link(one, two)
    with pytest.raises(TopologyError) as caught:
        make_plan([one])
    assert (
        "it cannot have both 10.1.0.0/24 (from switch one) and 10.2.0.0/24 (from switch two)"
        in (str(caught.value))
    )


def test_two_prefixes_on_a_switch() -> None:
    plain = Switch("plain")
    Link(plain, Host("h1"), address="10.25.1.65/16")
    Link(plain, Host("h2"), address="10.25.1.66/24")
    with pytest.raises(TopologyError, match=r"from h1's address 10.25.1.65/16"):
        make_plan([plain])


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("10.1.0.5", "address 10.1.0.5 is given to h1 and to h2"),
        ("10.1.0.255", "the broadcast address of 10.1.0.0/24"),
        ("10.2.0.1", "lies outside its subnet 10.1.0.0/24"),
    ],
)
def test_addresses_on_a_switch_that_has_its_subnet_from_another(
    address: str, sentence: str
) -> None:
    one, two = Switch("one", subnet="10.1.0.0/24"), Switch("two")
    Link(one, Host("h1"), address="10.1.0.5")
    Link(one, two)
    Link(two, Host("h2"), address=address)
    with pytest.raises(TopologyError, match=sentence):
        make_plan([one])


# -- IPv6 -------------------------------------------------------------------


def test_ipv6_has_the_numbers_of_ipv4() -> None:
    nodes = [Router("r"), *(Host(f"h{n}") for n in range(10))]
    switch = lan(*nodes)
    plan = make_plan([switch], ipv6=True)
    assert addresses(plan)["h9"] == ["10.0.1.11/24"]
    assert addresses(plan, 6)["h9"] == ["2001:db8:0:1::11/64"]


def test_segments_with_other_subnets_get_the_numbers_that_are_left() -> None:
    a, b = Router("a"), Router("b")
    Link(a, b, subnet="203.0.113.0/24")
    Link(a, b)
    Link(a, b, addresses=("10.77.1.1/32", "10.77.2.2/32"))
    plan = make_plan([a], ipv6=True)
    assert addresses(plan, 6)["a"] == [
        "2001:db8:0:2::1/64",
        "2001:db8:0:1::1/64",
        "2001:db8:0:3::1/64",
    ]


def test_explicit_ipv6_works_without_asking() -> None:
    both = Switch("both", subnet=["10.5.0.0/24", "2001:db8:5::/64"])
    only = Switch("only", subnet="2001:db8:6::/64")
    router = Router("r")
    Link(both, router)
    Link(both, Host("h1"), address="2001:db8:5::aa")
    Link(only, router)
    Link(only, Host("h2"))
    plan = make_plan([both])
    assert addresses(plan) == {"r": ["10.5.0.1/24"], "h1": ["10.5.0.2/24"], "h2": []}
    assert addresses(plan, 6) == {
        "r": ["2001:db8:5::1/64", "2001:db8:6::1/64"],
        "h1": ["2001:db8:5::aa/64"],
        "h2": ["2001:db8:6::2/64"],
    }


def test_ipv6_point_to_point() -> None:
    a, b = Router("a"), Router("b")
    Link(a, b, addresses=("2001:db8:a::1/128", "2001:db8:b::1/128"))
    plan = make_plan([a])
    assert addresses(plan) == {"a": [], "b": []}
    assert [str(r.destination) for r in plan.node("a").routes] == ["2001:db8:b::1/128"]


def test_automatic_ipv6_keeps_clear_of_what_is_set_by_hand() -> None:
    a, b = Router("a"), Router("b")
    Link(a, b)
    Link(a, b, subnet="2001:db8:0:1::/64")
    plan = make_plan([a], ipv6=True)
    assert addresses(plan, 6)["a"] == ["2001:db8:0:2::1/64", "2001:db8:0:1::1/64"]


# -- what holds in any network ----------------------------------------------


@settings(deadline=None, max_examples=60)
@given(plain_networks(), st.booleans())
def test_every_address_has_one_owner_and_lies_in_its_subnet(nodes: list[Node], ipv6: bool) -> None:
    plan = make_plan(nodes, ipv6=ipv6)
    owners: dict[object, str] = {}
    for node in plan.nodes:
        for interface in node.interfaces:
            if not interface.is_loopback:
                assert {a.version for a in interface.addresses} >= ({4, 6} if ipv6 else {4})
            for address in interface.addresses:
                assert owners.setdefault(address.ip, node.name) == node.name
                if address.network.prefixlen < 31:
                    assert address.ip != address.network.network_address
                    assert address.ip != address.network.broadcast_address


@settings(deadline=None, max_examples=60)
@given(nat_networks(), st.booleans(), st.data())
def test_nothing_changes_its_address_when_a_lab_grows(
    nodes: list[Node], ipv6: bool, data: st.DataObject
) -> None:
    before = make_plan(nodes, lab="grows", ipv6=ipv6)
    anywhere = st.sampled_from(nodes)
    for number in range(data.draw(st.integers(1, 3))):
        new = data.draw(st.sampled_from([Host, Router]))(f"new{number}")
        Link(data.draw(anywhere), new)
    routers = [node for node in nodes if isinstance(node, Router)]
    Link(data.draw(st.sampled_from(routers)), Switch("new-switch"))
    after = make_plan(nodes, lab="grows", ipv6=ipv6, previous=before)
    for node in before.nodes:
        assert after.node(node.name).interfaces[: len(node.interfaces)] == node.interfaces
    assert after.wires[: len(before.wires)] == before.wires
    assert make_plan(nodes, lab="grows", ipv6=ipv6, previous=after) == after


@settings(deadline=None, max_examples=30)
@given(nat_networks())
def test_the_same_declarations_give_the_same_plan(nodes: list[Node]) -> None:
    assert make_plan(nodes) == make_plan(reversed(nodes)) == make_plan(nodes[-1:])
