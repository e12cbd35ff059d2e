"""Static routes: the tables of small networks, and what holds in any network."""

from __future__ import annotations

import itertools
from ipaddress import ip_network
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.model.addresses import Address
from playground.model.topology import Machine
from playground.operations.network import Host, Link, Node, Router, Switch
from playground.planning.addresses.addressing import assign
from playground.planning.addresses.nat_realms import find_realms
from playground.planning.addresses.router_parts import Speaker
from playground.planning.addresses.segments import collect, find_segments, links_of
from playground.planning.interface_names import choose_names
from playground.planning.plan import Plan
from playground.planning.planner import make_plan
from playground.planning.routing.static_routes import find_routes
from tests.networks import Lost, nat_networks, plain_networks, simulate


def routes(plan: Plan, name: str, family: int = 4) -> list[str]:
    """Return a node's routes as ``ip route`` writes them."""
    lines = []
    for route in plan.node(name).routes:
        if route.destination.version == family:
            via = f" via {route.via}" if route.via else ""
            lines.append(f"{route.destination}{via} dev {route.interface}")
    return lines


def chain(*nodes: Node) -> None:
    for a, b in itertools.pairwise(nodes):
        Link(a, b)


# -- hosts ------------------------------------------------------------------


def test_a_host_with_one_next_hop_has_one_default_route() -> None:
    h1, r1, r2, h2 = Host("h1"), Router("r1"), Router("r2"), Host("h2")
    chain(h1, r1, r2, h2)
    plan = make_plan([h1])
    assert routes(plan, "h1") == ["0.0.0.0/0 via 10.0.1.1 dev eth0"]
    assert routes(plan, "h2") == ["0.0.0.0/0 via 10.0.3.1 dev eth0"]


def test_hosts_on_their_own_have_no_routes() -> None:
    lan, h1, h2 = Switch("lan"), Host("h1"), Host("h2")
    Link(lan, h1)
    Link(lan, h2)
    plan = make_plan([lan])
    assert routes(plan, "h1") == routes(plan, "h2") == []


def test_a_router_that_leads_nowhere_is_nobodys_default() -> None:
    h1, r1 = Host("h1"), Router("r1")
    Link(h1, r1)
    assert routes(make_plan([h1]), "h1") == []


def test_a_host_takes_the_commonest_next_hop_for_default() -> None:
    #          r1 - a
    #  h1 - lan
    #          r2 - b, c
    lan, h1, r1, r2 = Switch("lan"), Host("h1"), Router("r1"), Router("r2")
    for node in (r1, r2, h1):
        Link(lan, node)
    for router, name in ((r1, "a"), (r2, "b"), (r2, "c")):
        Link(router, Host(name))
    assert routes(make_plan([lan]), "h1") == [
        "10.0.2.0/24 via 10.0.1.1 dev eth0",
        "0.0.0.0/0 via 10.0.1.2 dev eth0",
    ]


def test_a_host_with_two_links_does_not_forward() -> None:
    left, middle, right = Host("left"), Host("middle"), Host("right")
    chain(left, middle, right)
    plan = make_plan([middle])
    assert routes(plan, "left") == []
    assert ("net.ipv4.ip_forward", "0") in plan.node("middle").sysctls


# -- routers ----------------------------------------------------------------


def test_routers_know_every_prefix_by_the_shortest_way() -> None:
    #  a - b - c - d in a ring: a reaches the link b-c by b, and d's link by d
    a, b, c, d = (Router(name) for name in "abcd")
    chain(a, b, c, d, a)
    plan = make_plan([a])
    assert routes(plan, "a") == [
        "10.0.2.0/24 via 10.0.1.2 dev eth0",
        "10.0.3.0/24 via 10.0.4.1 dev eth1",
    ]
    assert routes(plan, "c") == [
        "10.0.1.0/24 via 10.0.2.1 dev eth0",
        "10.0.4.0/24 via 10.0.3.2 dev eth1",
    ]


def test_of_two_equal_ways_the_one_linked_first_is_taken() -> None:
    a, b, c, d = (Router(name) for name in "abcd")
    Link(a, c)
    Link(a, b)
    chain(b, d)
    chain(c, d)
    host = Host("host")
    Link(d, host)
    assert "10.0.5.0/24 via 10.0.1.2 dev eth0" in routes(make_plan([a]), "a")


def test_parallel_links_have_a_subnet_each() -> None:
    a, b = Router("a"), Router("b")
    Link(a, b)
    Link(a, b)
    plan = make_plan([a])
    assert [str(i.addresses[0]) for i in plan.node("a").interfaces] == [
        "10.0.1.1/24",
        "10.0.2.1/24",
    ]
    assert routes(plan, "a") == []


# -- point-to-point ---------------------------------------------------------


def test_point_to_point_ends_get_routes_to_each_other() -> None:
    a, b, c = Router("a"), Router("b"), Router("c")
    Link(a, b, addresses=("10.1.1.1/32", "10.2.2.2/32"))
    Link(b, c, addresses=("10.2.2.2/32", "10.3.3.3/32"))
    plan = make_plan([a])
    assert routes(plan, "a") == ["10.2.2.2/32 dev eth0", "10.3.3.3/32 via 10.2.2.2 dev eth0"]
    assert routes(plan, "b") == ["10.1.1.1/32 dev eth0", "10.3.3.3/32 dev eth1"]
    assert routes(plan, "c") == ["10.2.2.2/32 dev eth0", "10.1.1.1/32 via 10.2.2.2 dev eth0"]


def test_a_host_on_a_point_to_point_link_can_reach_its_gateway() -> None:
    host, router, far = Host("host"), Router("router"), Host("far")
    Link(host, router, addresses=("10.1.1.2/32", "10.1.1.1/32"))
    Link(router, far)
    assert routes(make_plan([host]), "host") == [
        "10.1.1.1/32 dev eth0",
        "0.0.0.0/0 via 10.1.1.1 dev eth0",
    ]


def test_neighbours_within_a_wide_prefix_are_reached_through_the_provider() -> None:
    isp, a, b = Router("isp"), Router("a"), Router("b")
    Link(isp, a, addresses=("10.25.1.1/32", "10.25.1.65/16"))
    Link(isp, b, addresses=("10.25.1.1/32", "10.25.1.66/16"))
    plan = make_plan([isp])
    assert routes(plan, "a") == ["10.25.1.66/32 via 10.25.1.1 dev eth0"]
    assert routes(plan, "isp") == ["10.25.1.65/32 dev eth0", "10.25.1.66/32 dev eth1"]


def test_a_point_to_point_address_in_its_owners_subnet_needs_no_route_of_its_own() -> None:
    far, backbone, example, www = Router("far"), Router("backbone"), Router("example"), Host("www")
    Link(far, backbone)
    Link(backbone, example, addresses=("10.1.1.1/32", "10.130.1.1/32"))
    site = Switch("site", subnet="10.130.1.0/24")
    Link(site, example, address="10.130.1.1")
    Link(site, www)
    plan = make_plan([far])
    assert routes(plan, "far") == [
        "10.130.1.0/24 via 10.0.1.2 dev eth0",
        "10.1.1.1/32 via 10.0.1.2 dev eth0",
    ]
    assert routes(plan, "backbone") == [
        "10.130.1.1/32 dev eth1",
        "10.130.1.0/24 via 10.130.1.1 dev eth1",
    ]


# -- routing=None -----------------------------------------------------------


def test_a_router_without_routes_delivers_what_it_is_linked_to() -> None:
    h1, r1, r2, h2 = Host("h1"), Router("r1"), Router("r2", routing=None), Host("h2")
    chain(h1, r1, r2, h2)
    plan = make_plan([h1])
    assert routes(plan, "r2") == []
    assert routes(plan, "r1") == ["10.0.3.0/24 via 10.0.2.2 dev eth1"]


def test_nobody_sends_further_through_a_router_without_routes() -> None:
    r1, r2, r3, far = Router("r1"), Router("r2", routing=None), Router("r3"), Host("far")
    chain(r1, r2, r3, far)
    plan = make_plan([r1])
    assert routes(plan, "r1") == ["10.0.2.0/24 via 10.0.1.2 dev eth0"]
    assert routes(plan, "r3") == ["10.0.1.0/24 via 10.0.2.1 dev eth0"]


def test_a_longer_way_round_a_router_without_routes_is_taken() -> None:
    r1, short, r3, far = Router("r1"), Router("short", routing=None), Router("r3"), Host("far")
    chain(r1, short, r3, far)
    chain(r1, Router("long1"), Router("long2"), r3)
    plan = make_plan([r1])
    assert "10.0.3.0/24 via 10.0.4.2 dev eth1" in routes(plan, "r1")


def test_a_router_without_routes_knows_its_point_to_point_peers() -> None:
    a, b, c = Router("a"), Router("b", routing=None), Router("c")
    Link(a, b, addresses=("10.1.1.1/32", "10.2.2.2/32"))
    Link(b, c, addresses=("10.2.2.2/32", "10.3.3.3/32"))
    assert routes(make_plan([a]), "b") == ["10.1.1.1/32 dev eth0", "10.3.3.3/32 dev eth1"]


# -- NAT --------------------------------------------------------------------


def home_and_isp() -> tuple[Router, Router, Router, Host]:
    """inner host - gate - modem(NAT) - isp - core - www"""
    gate, modem, isp, core = Router("gate"), Router("modem"), Router("isp"), Router("core")
    chain(Host("pc"), gate, modem, isp, core, Host("www"))
    modem.masquerade(modem.links[1])
    return modem, gate, isp, Host("unused")


def test_inside_the_default_route_leads_to_the_masquerading_router() -> None:
    modem, _, _, _ = home_and_isp()
    plan = make_plan([modem])
    assert routes(plan, "pc") == ["0.0.0.0/0 via 10.0.1.1 dev eth0"]
    assert routes(plan, "gate") == ["0.0.0.0/0 via 10.0.2.2 dev eth1"]


def test_a_masquerading_router_knows_its_inside_and_has_a_default_outside() -> None:
    modem, _, _, _ = home_and_isp()
    assert routes(make_plan([modem]), "modem") == [
        "10.0.1.0/24 via 10.0.2.1 dev eth0",
        "0.0.0.0/0 via 10.0.3.2 dev eth1",
    ]


def test_outside_nobody_knows_the_inside() -> None:
    modem, _, _, _ = home_and_isp()
    plan = make_plan([modem])
    assert routes(plan, "isp") == ["10.0.5.0/24 via 10.0.4.2 dev eth1"]
    assert routes(plan, "core") == ["10.0.3.0/24 via 10.0.4.1 dev eth0"]


def test_in_ipv6_the_outside_knows_the_way_in() -> None:
    modem, _, _, _ = home_and_isp()
    plan = make_plan([modem], ipv6=True)
    assert routes(plan, "isp", 6) == [
        "2001:db8:0:5::/64 via 2001:db8:0:4::2 dev eth1",
        "2001:db8:0:1::/64 via 2001:db8:0:3::1 dev eth0",
        "2001:db8:0:2::/64 via 2001:db8:0:3::1 dev eth0",
    ]
    assert routes(plan, "gate", 6) == ["::/0 via 2001:db8:0:2::2 dev eth1"]


def test_the_nearest_of_two_exits_is_taken() -> None:
    left, right, inside, isp = Router("left"), Router("right"), Router("inside"), Router("isp")
    near, far = Host("near"), Host("far")
    Link(left, near)
    chain(left, inside, right)
    Link(right, far)
    for exit_ in (left, right):
        exit_.masquerade(Link(exit_, isp))
    plan = make_plan([isp])
    assert "0.0.0.0/0 via 10.0.1.1 dev eth0" in routes(plan, "near")
    assert routes(plan, "inside")[-1] == "0.0.0.0/0 via 10.0.2.1 dev eth0"


def test_a_modem_between_two_ways_out_knows_the_outside_in_full() -> None:
    modem, one, two = Router("modem"), Router("one"), Router("two")
    Link(modem, Host("pc"))
    for isp in (one, two):
        modem.masquerade(Link(modem, isp))
        Link(isp, Host(f"www{isp.name}"))
    assert routes(make_plan([modem]), "modem") == [
        "10.0.3.0/24 via 10.0.2.2 dev eth1",
        "10.0.5.0/24 via 10.0.4.2 dev eth2",
    ]


# -- what holds in any network ----------------------------------------------


@settings(deadline=None, max_examples=60)
@given(plain_networks())
def test_everything_reaches_everything(nodes: list[Node]) -> None:
    for ipv6 in (False, True):
        plan = make_plan(nodes, ipv6=ipv6)
        network = simulate(plan, nodes)
        for a in plan.nodes:
            for b in plan.nodes:
                for interface in b.interfaces:
                    for address in interface.addresses:
                        network.send(a.name, address.ip)


@settings(deadline=None, max_examples=60)
@given(nat_networks())
def test_every_name_a_node_knows_can_be_reached(nodes: list[Node]) -> None:
    for ipv6 in (False, True):
        plan = make_plan(nodes, ipv6=ipv6)
        network = simulate(plan, nodes)
        for node in plan.nodes:
            for entry in node.hosts:
                network.connect(node.name, entry.address)


@settings(deadline=None, max_examples=60)
@given(nat_networks())
def test_no_inside_prefix_appears_outside(nodes: list[Node]) -> None:
    plan = make_plan(nodes)
    segments = find_segments(nodes)
    realms = find_realms(segments)
    addressing = assign(segments)
    for node in nodes:
        if isinstance(node, Switch):
            continue
        known = [
            address.network
            for realm in realms.of_node(node)
            for segment in realm.segments
            for end in segment.ends
            for address in addressing.of(end, 4)
        ]
        for route in plan.node(node.name).routes:
            if route.destination.prefixlen:
                assert any(route.destination.subnet_of(network) for network in known), (
                    f"{node.name}: {route.destination}"
                )


@settings(deadline=None, max_examples=40)
@given(nat_networks())
def test_gateways_can_be_reached_when_routes_are_added_in_order(nodes: list[Node]) -> None:
    for node in make_plan(nodes, ipv6=True).nodes:
        on_link = {
            interface.name: [address.network for address in interface.addresses]
            for interface in node.interfaces
        }
        for route in node.routes:
            if route.via is None:
                on_link[route.interface].append(route.destination)
            else:
                assert any(
                    route.via.version == network.version and route.via in network
                    for network in on_link[route.interface]
                )
        destinations = [route.destination for route in node.routes]
        assert len(destinations) == len(set(destinations))
        connected = {address.network for i in node.interfaces for address in i.addresses}
        assert not connected & {d for d in destinations if d.prefixlen < d.max_prefixlen}


@settings(deadline=None, max_examples=60)
@given(st.one_of(plain_networks(), nat_networks()), st.randoms(use_true_random=False))
def test_a_router_that_hears_of_all_keeps_the_routes_that_no_neighbour_tells(
    nodes: list[Node], chance: Random
) -> None:
    found = collect(nodes)
    segments = find_segments(found)
    machines = [node for node in found if isinstance(node, Machine)]
    realms, names = find_realms(segments), choose_names(found, links_of(found), lab="lab").names
    addressing = assign(segments, ipv6=True)
    heard: dict[Speaker, set[tuple[str, Address]]] = {
        router: {
            (names[own], address.ip)
            for own in (link.end(router) for link in router.links)
            for end in realms.segment_of[own].ends
            for address in addressing.of(end, 4) + addressing.of(end, 6)
            if end is not own
        }
        for router in machines
        if isinstance(router, Router) and chance.random() < 0.7
    }
    full = find_routes(machines, realms, addressing, names)
    less = find_routes(machines, realms, addressing, names, heard=heard)
    for machine in machines:
        gateways = heard.get(machine, ()) if isinstance(machine, Router) else ()
        kept = [one for one in full[machine] if (one.interface, one.via) not in gateways]
        assert [one for one in less[machine] if (one.interface, one.via) not in gateways] == kept


def test_the_simulation_loses_what_a_kernel_would() -> None:
    h1, h2, modem = Host("h1"), Host("h2"), Router("modem")
    Link(h1, modem)
    modem.masquerade(Link(modem, h2))
    plan = make_plan([modem])
    network = simulate(plan, [modem])
    inside = plan.node("h1").interfaces[0].addresses[0].ip
    assert network.connect("h1", plan.node("h2").interfaces[0].addresses[0].ip)
    with pytest.raises(Lost, match="h2 has no route"):
        network.send("h2", inside)
    assert not any(ip_network("10.0.1.0/24") == r.destination for r in plan.node("h2").routes)
