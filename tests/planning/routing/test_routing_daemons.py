"""Routers that find their ways themselves: what they are told, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Interface, IPv4Network, ip_address
from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.engines.seam import Engine
from playground.errors import BadArgument, CommandFailed, TopologyError
from playground.lab.convergence import unfinished
from playground.lab.lab import Lab
from playground.model.services.frr import BGP, OSPF, OSPF6, RIP, RoutingDaemon
from playground.operations.network import Host, Link, Router, Switch
from playground.planning.interface_names import link_local
from playground.planning.plan import NodePlan, Plan
from playground.planning.plan_parts import InterfacePlan
from playground.planning.planner import make_plan
from tests.facts import assert_can_ping, assert_path
from tests.networks import best_tables, many_cables


def lines_of(node: NodePlan, kind: type[RoutingDaemon] = OSPF) -> list[str]:
    [found] = [item for item in node.services if isinstance(item, kind)]
    return [line.strip() for line in found.configuration.splitlines()]


def block(node: NodePlan, interface: str) -> list[str]:
    """OSPF's settings of one interface."""
    lines = lines_of(node)
    begin = lines.index(f"interface {interface}") + 1
    rest = [*lines[begin:], "interface"]
    return rest[: next(n for n, line in enumerate(rest) if line.startswith("interface"))]


def routes(node: NodePlan) -> list[str]:
    return [f"{route.destination} via {route.via}" for route in node.routes]


# -- what is planned ---------------------------------------------------------


def test_where_a_neighbour_tells_of_a_route_there_is_no_static_one() -> None:
    a, b = Router("a", routing="ospf"), Router("b", routing="ospf")
    Link(a, b)
    Link(b, Host("h1"))
    assert routes(make_plan([a]).node("a")) == []


def mixed() -> Plan:
    a, b, stub = Router("a", routing="ospf"), Router("b", routing="ospf"), Router("stub")
    Link(a, b, subnet="10.1.0.0/24")
    Link(b, stub, subnet="10.2.0.0/24")
    Link(stub, Host("h1"), subnet="10.3.0.0/24")
    return make_plan([a])


def test_a_static_neighbour_is_led_to_by_a_static_route_that_others_are_told_of() -> None:
    plan = mixed()
    assert routes(plan.node("a")) == []
    assert routes(plan.node("b")) == ["10.3.0.0/24 via 10.2.0.2"]
    assert "redistribute kernel" in lines_of(plan.node("b"))
    assert ("10.3.0.0/24", None) in [
        (str(item.network), item.interface) for item in plan.node("b").announced
    ]
    assert routes(plan.node("stub")) == ["10.1.0.0/24 via 10.2.0.1"]


def test_a_router_tells_of_the_kernels_routes_only_where_it_leads_out() -> None:
    plan = mixed()
    assert not [line for line in lines_of(plan.node("a")) if "redistribute" in line]


def test_whose_routes_a_router_tells_of_is_its_choice() -> None:
    a = Router("a", routing="ospf", redistribute=["connected", "rip"])
    b, stub = Router("b", routing="ospf", redistribute=()), Router("stub")
    Link(a, b, subnet="10.1.0.0/24")
    Link(b, stub, subnet="10.2.0.0/24")
    Link(stub, Host("h1"), subnet="10.3.0.0/24")
    plan = make_plan([a], ipv6=True)
    said = [line for line in lines_of(plan.node("a")) if "redistribute" in line]
    assert said == ["redistribute connected", "redistribute rip"]
    assert "redistribute ripng" in lines_of(plan.node("a"), OSPF6)
    # Nobody waits for networks that b does not announce.
    assert not [line for line in lines_of(plan.node("b")) if "redistribute" in line]
    assert "10.3.0.0/24" not in {str(item.network) for item in plan.node("b").announced}


def told(plan: Plan, name: str) -> list[str]:
    """The networks that a router tells others of by BGP."""
    lines = lines_of(plan.node(name), BGP)
    return [line.split()[1] for line in lines if line.startswith("network")]


def systems(loopback: str | None = None) -> tuple[Router, Router, Router]:
    """Three systems in a row, of which the one in the middle has no network but to the others."""
    a, b = Router("a", routing="bgp"), Router("b", routing="bgp", loopback=loopback)
    c = Router("c", routing="bgp")
    Link(a, b, subnet="10.1.0.0/24")
    Link(b, c, subnet="10.2.0.0/24")
    Link(a, Host("h1"), subnet="10.3.0.0/24")
    Link(c, Host("h2"), subnet="10.4.0.0/24")
    return a, b, c


def test_a_link_between_systems_is_told_of_only_where_its_router_has_nothing_else() -> None:
    a, _, _ = systems()
    plan = make_plan([a])
    assert told(plan, "a") == ["10.3.0.0/24"]
    assert told(plan, "b") == ["10.1.0.0/24", "10.2.0.0/24"]
    assert told(make_plan(systems("10.9.9.9")), "b") == ["10.9.9.9/32"]


def test_a_link_between_systems_that_the_lab_numbers_is_told_of() -> None:
    a, b = Router("a", routing="bgp"), Router("b", routing="bgp")
    Link(a, b)
    Link(a, Host("h1"))
    assert told(make_plan([a]), "a") == ["10.0.1.0/24", "10.0.2.0/24"]


def test_which_networks_bgp_tells_of_is_a_choice() -> None:
    a, b, _ = systems()
    a.bgp(a.links[0], announce=True)
    a.bgp(a.links[1], announce=False)
    b.bgp(b.links[1], announce=False)
    plan = make_plan([a])
    assert told(plan, "a") == ["10.1.0.0/24"]
    assert told(plan, "b") == ["10.1.0.0/24"]
    a.bgp(a.links[0], announce=False)
    assert make_plan([a]).node("a").announced == ()
    with pytest.raises(TopologyError, match="announce='no' is neither True nor False"):
        a.bgp(a.links[0], announce="no")  # type: ignore[arg-type]
    with pytest.raises(TopologyError, match="r does not speak BGP"):
        router = Router("r", routing="ospf")
        router.bgp(Link(router, Host("h")), announce=True)


def test_a_network_with_a_host_on_it_is_no_mere_link_between_systems() -> None:
    exchange = Switch("exchange", subnet="10.1.0.0/24")
    a, b = Router("a", routing="bgp"), Router("b", routing="bgp")
    for node in (a, b, Host("h")):
        Link(exchange, node)
    Link(a, Host("h1"), subnet="10.3.0.0/24")
    assert told(make_plan([a]), "a") == ["10.1.0.0/24", "10.3.0.0/24"]


def test_a_router_is_known_by_an_address_that_others_have_a_way_to() -> None:
    plan = make_plan(systems("10.9.9.9"))
    known = {
        node: {name: str(row.address) for row in plan.node(node).hosts for name in row.names}
        for node in ("h1", "h2", "a")
    }
    assert known["h2"]["a"] == "10.3.0.1"
    assert known["h1"]["b"] == known["h2"]["b"] == "10.9.9.9"
    assert known["a"]["b"] == "10.1.0.2"  # they share that network


def test_nothing_is_said_where_nobody_listens() -> None:
    plan = mixed()
    assert "ip ospf passive" in block(plan.node("b"), "eth1")
    assert "ip ospf passive" not in block(plan.node("b"), "eth0")


def test_a_network_of_three_chooses_a_designated_router_and_one_of_two_does_not() -> None:
    lan = Switch("lan")
    routers = [Router(f"r{number}", routing="ospf") for number in range(3)]
    for router in routers:
        Link(lan, router)
    Link(routers[0], routers[1])
    node = make_plan(routers).node("r0")
    assert "ip ospf network point-to-point" not in block(node, "eth0")
    assert "ip ospf network point-to-point" in block(node, "eth1")


def test_one_router_says_the_area_for_all_on_a_network() -> None:
    a, b = Router("a", routing="ospf"), Router("b", routing="ospf")
    link = Link(a, b)
    a.ospf(link, area=1)
    assert "ip ospf area 0.0.0.1" in block(make_plan([a]).node("b"), "eth0")
    b.ospf(link, area=2)
    with pytest.raises(TopologyError, match="another router there says 0"):
        make_plan([a])


def test_what_masquerades_is_the_way_out_and_says_nothing_outside() -> None:
    inner, modem, isp = (Router(name, routing="ospf") for name in ("inner", "modem", "isp"))
    Link(inner, modem, subnet="192.168.0.0/24")
    modem.masquerade(Link(modem, isp, subnet="203.0.113.0/24"))
    Link(isp, Host("www"), subnet="198.51.100.0/24")
    plan = make_plan([inner])
    assert "default-information originate always" in lines_of(plan.node("modem"))
    assert [peer.node for peer in plan.node("modem").neighbours] == ["inner"]
    assert "interface eth1" not in lines_of(plan.node("modem"))
    assert routes(plan.node("modem")) == ["0.0.0.0/0 via 203.0.113.2"]
    assert plan.node("isp").neighbours == ()


def test_two_protocols_side_by_side_keep_static_routes_between_them() -> None:
    a, b = Router("a", routing="ospf"), Router("b", routing="bgp")
    Link(a, b, subnet="10.1.0.0/24")
    Link(b, Host("h1"), subnet="10.2.0.0/24")
    plan = make_plan([a])
    assert routes(plan.node("a")) == ["10.2.0.0/24 via 10.1.0.2"]
    assert plan.node("a").neighbours == ()


def test_rip_needs_a_subnet_that_both_ends_share() -> None:
    a, b = Router("a", routing="rip"), Router("b", routing="rip")
    Link(a, b, addresses=("10.1.1.1/32", "10.1.1.2/32"))
    Link(b, Host("h1"), subnet="10.2.0.0/24")
    plan = make_plan([a])
    assert plan.node("a").neighbours == ()
    assert "10.2.0.0/24 via 10.1.1.2" in routes(plan.node("a"))


def test_systems_without_a_number_get_one_each() -> None:
    routers = [Router("a", routing="bgp"), Router("b", routing="bgp", as_number=64512)]
    routers.append(Router("c", routing="bgp"))
    for one, other in pairwise(routers):
        Link(one, other)
    plan = make_plan(routers)
    numbers = [lines_of(plan.node(name), BGP)[0] for name in ("a", "b", "c")]
    assert numbers == ["router bgp 64513", "router bgp 64512", "router bgp 64514"]


def test_routers_of_one_system_find_each_other_by_ospf() -> None:
    a, b, c = (Router(name, routing="bgp", as_number=64512) for name in ("a", "b", "c"))
    other = Router("other", routing="bgp", as_number=64513)
    Link(a, b, subnet="10.1.0.0/24")
    Link(b, c, subnet="10.2.0.0/24")
    Link(c, other, subnet="10.3.0.0/24")
    plan = make_plan([a])
    # A session with each router of the system, the one that is not next to it too.
    peers = [line for line in lines_of(plan.node("a"), BGP) if "remote-as" in line]
    assert peers == ["neighbor 10.1.0.2 remote-as 64512", "neighbor 10.2.0.2 remote-as 64512"]
    assert "ip ospf passive" in block(plan.node("c"), "eth1")
    assert "ip ospf passive" not in block(plan.node("c"), "eth0")
    assert [item.service for item in plan.node("other").services] == ["bgp"]


def test_ipv6_has_a_protocol_of_its_own() -> None:
    a, b = Router("a", routing="ospf"), Router("b", routing="ospf")
    Link(a, b, subnet="2001:db8:5::/64")
    Link(b, Host("h1"), subnet="2001:db8:6::/64")
    plan = make_plan([a])
    node = plan.node("a")
    assert [item.service for item in node.services] == ["ospf6"]
    assert [str(item.network) for item in node.announced] == ["2001:db8:5::/64"]
    assert routes(node) == []
    [peer] = node.neighbours
    # OSPFv3 leads to link-local addresses, which a kernel makes of MAC addresses.
    assert peer.address == link_local(plan.node("b").interfaces[0].mac)


@pytest.mark.parametrize(
    ("routing", "services"),
    [("ospf", ["ospf", "ospf6"]), ("rip", ["rip", "ripng"]), ("bgp", ["bgp"])],
)
def test_both_families_side_by_side(routing: str, services: list[str]) -> None:
    a, b = Router("a", routing=routing), Router("b", routing=routing)
    Link(a, b)
    Link(b, Host("h1"))
    node = make_plan([a], ipv6=True).node("a")
    assert [item.service for item in node.services] == services
    assert [peer.address.version for peer in node.neighbours] == [4, 6]
    assert routes(node) == []


def test_where_links_have_only_ipv6_a_router_is_known_by_its_mac_address() -> None:
    a, b = Router("a", routing="ospf"), Router("b", routing="ospf")
    Link(a, b, subnet="2001:db8:5::/64")
    plan = make_plan([a])
    names = {
        line
        for node in plan.nodes
        for line in lines_of(node, OSPF6)
        if line.startswith("ospf6 router-id")
    }
    assert len(names) == 2
    last = ip_address(bytes.fromhex(plan.node("a").interfaces[0].mac.replace(":", ""))[-4:])
    assert f"ospf6 router-id {last}" in names


@settings(max_examples=100, deadline=None)
@given(many_cables(), st.booleans())
def test_neighbours_may_share_any_number_of_networks(routers: list[Router], ipv6: bool) -> None:
    plan = make_plan(routers, ipv6=ipv6)
    on: dict[IPv4Network, list[tuple[NodePlan, InterfacePlan]]] = {}
    for node in plan.nodes:
        for interface in node.interfaces:
            for address in interface.addresses:
                if isinstance(address, IPv4Interface):
                    on.setdefault(address.network, []).append((node, interface))
    numbers = {node.name: as_number(node) for node in plan.nodes}
    for ends in on.values():
        for (node, mine), (other, its) in permutations(ends, 2):
            heard = [(p.interface, p.node, p.peer_interface) for p in node.neighbours]
            assert heard.count((mine.name, other.name, its.name)) == 1 + ipv6
            told = [item.service for item in node.services]
            if "ospf" in told and numbers[node.name] == numbers[other.name]:
                assert "ip ospf passive" not in block(node, mine.name)
            if "rip" in told:
                assert f"passive-interface {mine.name}" not in lines_of(node, RIP)
            if "bgp" in told and numbers[node.name] != numbers[other.name]:
                address = next(a.ip for a in its.addresses if a.version == 4)
                session = f"neighbor {address} remote-as {numbers[other.name]}"
                assert lines_of(node, BGP).count(session) == 1
    assert unfinished(plan, plan.wires, best_tables(plan, plan.wires)) == []


def as_number(node: NodePlan) -> str | None:
    found = [item for item in node.services if isinstance(item, BGP)]
    return lines_of(node, BGP)[0].split()[-1] if found and found[0].configuration else None


@pytest.mark.parametrize("routing", ["ospf", "rip", "bgp"])
def test_a_router_without_a_link_has_its_daemon_all_the_same(routing: str) -> None:
    [service] = make_plan([Router("r1", routing=routing)]).node("r1").services
    assert service.service == routing


# -- what comes of it --------------------------------------------------------


@pytest.fixture(scope="module")
def ring(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    """Four OSPF routers in a ring, a static one beside r3, hosts at r0, r2 and behind it."""
    routers = [Router(f"r{number}", routing="ospf") for number in range(4)]
    for number, router in enumerate(routers):
        Link(router, routers[(number + 1) % 4], subnet=f"10.0.{number}.0/24")
    Link(routers[0], Host("h0"), subnet="10.1.0.0/24")
    Link(routers[2], Host("h2"), subnet="10.1.2.0/24")
    stub = Router("stub")
    Link(routers[3], stub, subnet="10.2.0.0/24")
    Link(stub, Host("h3"), subnet="10.1.3.0/24")
    with Lab(routers[0], ipv6=True, quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def test_start_returns_when_everybody_reaches_everybody(ring: Lab) -> None:
    for name in ("h2", "h3"):
        assert_can_ping(ring.node("h0"), ring.node(name))
        ring.node("h0").run(f"ping -6 -c 1 {name}")
    made_by = {str(route.destination): route.protocol for route in ring.node("r1").routes()}
    assert made_by["10.1.0.0/24"] == "ospf"
    assert made_by["10.0.1.0/24"] == "kernel"


def test_equal_paths_are_both_used(ring: Lab) -> None:
    rows = [row for row in ring.node("r0").routes() if str(row.destination) == "10.1.2.0/24"]
    assert sorted(str(row.via) for row in rows) == ["10.0.0.2", "10.0.3.1"]
    [far] = {
        str(a.network) for a in ring.plan().node("h2").interfaces[0].addresses if a.version == 6
    }
    six = [row for row in ring.node("r0").routes() if str(row.destination) == far]
    assert [row.protocol for row in six] == ["ospf", "ospf"]


def test_a_stopped_daemon_is_gone_round_and_comes_back(ring: Lab) -> None:
    daemon = ring.node("r1").services["ospf"]
    daemon.stop()
    # The one of IPv6 goes on, and with it zebra, which both need.
    assert daemon.status() == "stopped"
    assert ring.node("r1").services["ospf6"].running
    daemon.start()
    ring.wait_converged()
    assert_path(ring.node("h0"), "10.1.3.2", "10.1.0.1", "10.0.3.1", "10.2.0.2", "10.1.3.2")


def test_vtysh_speaks_to_the_daemons(ring: Lab) -> None:
    said = ring.node("r0").vtysh("show ip ospf neighbor")
    assert said.count("Full/") == 2
    with pytest.raises(CommandFailed, match="vtysh of r0 refused"):
        ring.node("r0").vtysh("show me the way")
    with pytest.raises(BadArgument, match="h0 has no routing daemon"):
        ring.node("h0").vtysh("show ip route")
    with pytest.raises(BadArgument, match="takes commands"):
        ring.node("r0").vtysh()


def test_a_cost_sends_traffic_the_other_way(ring: Lab) -> None:
    r0 = ring["r0"]
    assert isinstance(r0, Router)
    daemons = r0.run("pgrep '^ospf6?d$'").stdout
    r0.ospf(r0.links[0], cost=100)
    assert r0.run("pgrep '^ospf6?d$'").stdout == daemons
    rows = [row for row in r0.routes() if str(row.destination) == "10.1.2.0/24"]
    assert [str(row.via) for row in rows] == ["10.0.3.1"]


def test_ways_are_found_round_a_link_that_is_down(ring: Lab) -> None:
    r0 = ring["r0"]
    assert isinstance(r0, Router)
    by_r3 = r0.links[1]
    assert by_r3.peer(r0).node.name == "r3"
    by_r3.down()
    assert ring.wait_converged() < 60
    assert_path(ring.node("h0"), "10.1.2.2", "10.1.0.1", "10.0.0.2", "10.0.1.2", "10.1.2.2")
    ring.node("h0").run("ping -6 -c 1 h2")


def test_a_router_that_is_added_is_told_of_all(engine: Engine) -> None:
    a, b = Router("a", routing="ospf"), Router("b", routing="ospf")
    h1, h2 = Host("h1"), Host("h2")
    Link(a, h1)
    Link(a, b, addresses=("10.1.1.1/32", "10.1.1.2/32"))
    with Lab(a, quiet=True) as lab:
        c = Router("c", routing="ospf")
        Link(b, c)
        Link(c, h2)
        lab.start()
        assert_can_ping(h1, h2)
        b.ospf(b.links[1], area=0)
        with pytest.raises(TopologyError, match="another router there says"):
            c.ospf(c.links[0], area=1)
        assert c.ospf_links == {}
        assert_can_ping(h1, h2)


def test_a_router_gets_another_daemon_when_its_links_ask_for_it(engine: Engine) -> None:
    a, b = Router("a", routing="ospf"), Router("b", routing="ospf")
    h1 = Host("h1")
    Link(a, b)
    with Lab(a, quiet=True) as lab:
        link = Link(a, b, subnet="2001:db8:1::/64")
        Link(b, h1, subnet="2001:db8:2::/64")
        lab.start()
        assert_can_ping(a, h1)
        assert a.services["ospf6"].running
        lab.remove(link)
        assert list(a.services) == ["ospf"]
        assert a.run("pgrep '^ospf6d$'", check=False).stdout == ""


def test_an_attached_program_waits_too(engine: Engine) -> None:
    a, b = Router("a", routing="ospf"), Router("b", routing="ospf")
    a.ospf(Link(a, b), cost=7)
    Link(b, Host("h1"), subnet="10.5.0.0/24")
    with Lab(a, name="attached-ospf", keep=True, quiet=True) as lab:
        pass
    with Lab.attach(lab.name, quiet=True) as again:
        try:
            assert again.wait_converged() < 60
            assert "Full" in again.node("a").vtysh("show ip ospf neighbor")
            router = again["a"]
            assert isinstance(router, Router)
            assert [said.cost for said in router.ospf_links.values()] == [7]
        finally:
            again.stop()


def test_rip_finds_its_ways(engine: Engine) -> None:
    a, b = Router("a", routing="rip"), Router("b", routing="rip")
    h1, h2 = Host("h1"), Host("h2")
    for one, other in ((h1, a), (a, b), (b, h2)):
        Link(one, other)
    with Lab(a, ipv6=True, quiet=True):
        for version in (4, 6):
            h1.run(f"ping -{version} -c 1 h2")
        assert {"rip", "ripng"} <= {route.protocol for route in a.routes()}


def test_bgp_finds_ways_for_both_families(engine: Engine) -> None:
    inside = [Router(name, routing="bgp", as_number=64512) for name in ("a", "b")]
    other = Router("c", routing="bgp", as_number=64513)
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, inside[0])
    Link(*inside)
    Link(inside[1], other, subnet="10.0.3.0/24")
    Link(other, h2)
    with Lab(h1, ipv6=True, quiet=True):
        for version in (4, 6):
            h1.run(f"ping -{version} -c 1 h2")
        made_by = {str(row.destination): row.protocol for row in inside[0].routes()}
        assert made_by["2001:db8:0:4::/64"] == made_by["10.0.4.0/24"] == "bgp"
        # The link between the two systems is told of by neither.
        assert "10.0.3.0" not in other.vtysh("show bgp ipv4 unicast")
        # Each session carries the routes of the family that it runs over.
        assert "64512" in other.vtysh("show bgp ipv6 unicast 2001:db8:0:1::/64")


def test_a_router_is_set_up_by_hand(engine: Engine) -> None:
    a = Router("a", services=["ospf"], routing=None)
    b, h1 = Router("b", routing="ospf"), Host("h1")
    Link(a, b, subnet="10.1.0.0/24")
    Link(b, h1, subnet="10.2.0.0/24")
    with Lab(a, quiet=True):
        a.vtysh(
            "configure terminal",
            "interface eth0",
            "ip ospf area 0",
            "ip ospf network point-to-point",
            "ip ospf dead-interval minimal hello-multiplier 4",
        )
        a.vtysh("configure terminal", "router ospf")
        b.vtysh("configure terminal", "interface eth0", "no ip ospf passive")
        wait = "until ip route | grep -q 'proto ospf'; do sleep 0.05; done"
        a.run(wait)
        assert_can_ping(a, h1)


def test_neighbours_on_two_networks_find_their_ways(engine: Engine) -> None:
    pairs = []
    for routing in ("ospf", "rip", "bgp"):
        a, b = (Router(f"{routing}-{letter}", routing=routing) for letter in "ab")
        Link(a, b)
        switch = Switch(f"lans-{routing}", vlans=(10, 20))
        for router in (a, b):
            Link(switch, router, trunk=True)
        far = Host(f"far-{routing}")
        Link(b, far)
        pairs.append((a, far))
    # Beside them one that has nobody to speak to.
    alone = Router("alone", routing="ospf")
    with Lab(*(a for a, _ in pairs), alone, quiet=True):
        for a, far in pairs:
            assert_can_ping(a, far)
        rows = [row for row in pairs[0][0].routes() if row.protocol == "ospf" and row.via]
        assert sorted(str(row.via)[-2:] for row in rows) == [".2", ".2", ".2"]
        assert "OSPF" in alone.vtysh("configure terminal", "router ospf", "do show ip ospf")


@pytest.fixture(scope="module", params=["ospf", "rip", "bgp"])
def pair(
    request: pytest.FixtureRequest, engine: Engine, keep_lab: Callable[[str], None]
) -> Iterator[Router]:
    """One of two routers that speak a protocol to each other."""
    a, b = Router("a", routing=request.param), Router("b", routing=request.param)
    Link(a, b, subnet="10.1.0.0/24")
    with Lab(a, quiet=True) as lab:
        keep_lab(lab.id)
        yield a


def test_what_vtysh_is_told_takes_effect(pair: Router) -> None:
    tell = ("configure terminal",)
    pair.vtysh(*tell, "ip route 10.99.0.0/16 10.1.0.2", "ip route 10.98.0.0/16 blackhole")
    pair.vtysh(*tell, "interface lo", "ip address 10.10.10.1/32", "exit", "ip router-id 1.1.1.1")
    pair.vtysh(*tell, "interface eth0", "no ipv6 nd suppress-ra")
    wait = "until ip route | grep -q 10.99 && ip route | grep -q 10.98; do sleep 0.05; done"
    pair.run(f"{wait}; until ip addr show lo | grep -q 10.10.10.1; do sleep 0.05; done")
    # Where mgmtd runs, zebra does not try without end to tell it of what happens: that took
    # 0.06 s of each second.  It comes to rest when all is done, on a busy machine later.
    assert any(zebra_in_a_second(pair) < 0.03 for _ in range(10))


def zebra_in_a_second(router: Router) -> float:
    """Return how much processor time zebra takes in one second."""
    [before] = [row.cpu_s for row in router.processes() if "frr/zebra" in row.command]
    router.run("sleep 1")
    [after] = [row.cpu_s for row in router.processes() if "frr/zebra" in row.command]
    return after - before


def test_many_sessions_of_vtysh_one_after_the_other_are_all_carried_out(pair: Router) -> None:
    for number in range(8):
        pair.vtysh("configure terminal", f"ip route 10.90.{number}.0/24 blackhole")
    told = pair.vtysh("show running-config")
    assert all(f"ip route 10.90.{number}.0/24 blackhole" in told for number in range(8))


def test_vtysh_names_the_line_that_failed(pair: Router) -> None:
    tell = ("configure terminal", "interface eth0")
    with pytest.raises(
        CommandFailed, match=r"refused line 4 of 5, 'ip address 1\.2\.3\.4/35'"
    ) as no:
        pair.vtysh(*tell, "description uplink", "ip address 1.2.3.4/35", "shutdown")
    assert "description" not in no.value.result.stdout
    assert "UP" in pair.run("ip link show eth0").stdout
    with pytest.raises(BadArgument, match="'ip ospf bfd' would have no effect"):
        pair.vtysh(*tell, "ip ospf bfd")
    with pytest.raises(BadArgument, match="isisd does not run on a; declare its service"):
        pair.vtysh("configure terminal", "ip route 10.97.0.0/16 blackhole", "router isis x")
    assert "10.97" not in pair.vtysh("show running-config")


def test_what_both_peers_need_is_said_by_one() -> None:
    a, b = Router("a", routing="bgp"), Router("b", routing="bgp")
    Link(a, b, addresses=("10.1.0.1/24", "10.1.0.2/24"))
    a.bgp_peer(b, password="secret", bfd_ms=100)
    b.bgp_peer(a, hold_s=9)
    assert "neighbor 10.1.0.1 password secret" in lines_of(make_plan([a]).node("b"), BGP)
    assert "neighbor 10.1.0.1 bfd profile every-100ms" in lines_of(make_plan([a]).node("b"), BGP)
    b.bgp_peer(a, password="other")
    with pytest.raises(TopologyError, match="have different passwords, and no session"):
        make_plan([a])
    b.bgp_peer(a)
    far = Router("far", routing="bgp")
    a.bgp_peer(far)
    with pytest.raises(TopologyError, match="far, which is no peer of it, for they share no link"):
        make_plan([a])
