"""The ready-made labs, compared with the tables that describe them."""

from __future__ import annotations

import pytest

from playground.engines.seam import Engine
from playground.examples import (
    autonomous_systems,
    coffee_shop,
    coffee_shop_nodes,
    miniature_internet_nodes,
    office_vlans_nodes,
    ospf_rings,
    site_to_site,
)
from playground.model.services.mail import IMAP
from playground.operations.network import Router
from playground.planning.plan import NodePlan, Plan
from playground.planning.planner import make_plan
from tests.facts import assert_can_ping, assert_path, get_page


@pytest.fixture(scope="module")
def internet() -> Plan:
    return make_plan(miniature_internet_nodes(), lab="miniature-internet")


# -- the Internet in miniature ----------------------------------------------

# name: interfaces with addresses and segment; services
TABLE = {
    "h1": (["eth1 192.168.1.11/24 homeA"], ["ssh"]),
    "h2": (["eth1 192.168.1.12/24 homeA"], ["ssh"]),
    "h3": (["eth1 192.168.1.13/24 homeA"], ["ssh"]),
    "h4": (["eth1 192.168.1.14/24 homeB"], ["ssh"]),
    "modemA": (["eth0 10.25.1.65/16 isp--modemA", "eth1 192.168.1.1/24 homeA"], ["ssh"]),
    "modemB": (["eth0 10.25.1.66/16 isp--modemB", "eth1 192.168.1.1/24 homeB"], ["ssh"]),
    "isp": (
        [
            "eth0 10.25.1.1/32 backbone--isp",
            "eth1 10.25.1.1/32 isp--modemA",
            "eth2 10.25.1.1/32 isp--modemB",
        ],
        ["ssh"],
    ),
    "backbone": (
        ["eth0 10.1.1.1/32 backbone--isp", "eth1 10.1.1.1/32 backbone--example.com"],
        ["ssh", "dns"],
    ),
    "example.com": (
        ["eth0 10.130.1.1/32 backbone--example.com", "eth1 10.130.1.1/24 exampleCOM"],
        ["ssh"],
    ),
    "ftp.example.com": (["eth0 10.130.1.2/24 exampleCOM"], ["ssh", "ftp", "telnet"]),
    "mail.example.com": (["eth0 10.130.1.3/24 exampleCOM"], ["ssh", "smtp", "pop", "imap"]),
    "www.example.com": (["eth0 10.130.1.4/24 exampleCOM"], ["ssh", "http"]),
}

ROUTES = {
    "h1": ["default via 192.168.1.1 dev eth1"],
    "h2": ["default via 192.168.1.1 dev eth1"],
    "h3": ["default via 192.168.1.1 dev eth1"],
    "h4": ["default via 192.168.1.1 dev eth1"],
    "modemA": ["10.25.1.66/32 via 10.25.1.1 dev eth0", "default via 10.25.1.1 dev eth0"],
    "modemB": ["10.25.1.65/32 via 10.25.1.1 dev eth0", "default via 10.25.1.1 dev eth0"],
    "isp": [
        "10.1.1.1/32 dev eth0",
        "10.25.1.65/32 dev eth1",
        "10.25.1.66/32 dev eth2",
        "10.130.1.0/24 via 10.1.1.1 dev eth0",
    ],
    "backbone": [
        "10.25.1.1/32 dev eth0",
        "10.130.1.1/32 dev eth1",
        "10.130.1.0/24 via 10.130.1.1 dev eth1",
        "10.25.1.65/32 via 10.25.1.1 dev eth0",
        "10.25.1.66/32 via 10.25.1.1 dev eth0",
    ],
    "example.com": [
        "10.1.1.1/32 dev eth0",
        "10.25.1.1/32 via 10.1.1.1 dev eth0",
        "10.25.1.65/32 via 10.1.1.1 dev eth0",
        "10.25.1.66/32 via 10.1.1.1 dev eth0",
    ],
    "ftp.example.com": ["default via 10.130.1.1 dev eth0"],
    "mail.example.com": ["default via 10.130.1.1 dev eth0"],
    "www.example.com": ["default via 10.130.1.1 dev eth0"],
}


def test_the_machines_are_those_of_the_table(internet: Plan) -> None:
    found = {node.name: (interfaces(node), services(node)) for node in internet.nodes}
    assert found == TABLE


def test_their_routes(internet: Plan) -> None:
    assert {node.name: routes(node) for node in internet.nodes} == ROUTES


def test_only_the_modems_masquerade(internet: Plan) -> None:
    masquerading = {node.name for node in internet.nodes if node.ruleset}
    assert masquerading == {"modemA", "modemB"}
    assert 'oifname "eth0" meta nfproto ipv4 masquerade' in internet.node("modemA").ruleset


def test_switches(internet: Plan) -> None:
    assert [switch.name for switch in internet.switches] == ["homeA", "homeB", "exampleCOM"]
    assert len(internet.wires) == 14


def test_everybody_asks_the_backbone_for_names(internet: Plan) -> None:
    asked = {str(address) for node in internet.nodes for address in node.nameservers}
    assert asked == {"10.1.1.1"}
    assert [f"{r.name} {r.type} {r.data}" for r in internet.records] == [
        "modemA A 10.25.1.65",
        "modemB A 10.25.1.66",
        "isp A 10.25.1.1",
        "backbone A 10.1.1.1",
        "example.com A 10.130.1.1",
        "example A 10.130.1.1",
        "ftp.example.com A 10.130.1.2",
        "ftp A 10.130.1.2",
        "mail.example.com A 10.130.1.3",
        "mail A 10.130.1.3",
        "www.example.com A 10.130.1.4",
        "www A 10.130.1.4",
        "example.com MX 10 mail.example.com",
    ]


def test_a_home_knows_its_own(internet: Plan) -> None:
    assert hosts(internet.node("h1")) == [
        "192.168.1.11 h1",
        "192.168.1.12 h2",
        "192.168.1.13 h3",
        "192.168.1.1 modemA",
    ]
    assert hosts(internet.node("h4")) == ["192.168.1.14 h4", "192.168.1.1 modemB"]
    assert hosts(internet.node("www")) == ["10.130.1.4 www.example.com www"]


def test_users_find_a_message_in_their_mailbox() -> None:
    for users in ({"student": "x"}, {"ada": "x", "alan": "y"}):
        plan = make_plan(miniature_internet_nodes(users))
        imap = [s for s in plan.node("mail").services if isinstance(s, IMAP)]
        assert set(imap[0].mailboxes) == set(users)


def test_every_call_declares_anew() -> None:
    first, second = miniature_internet_nodes(), miniature_internet_nodes()
    assert not set(first) & set(second)
    assert make_plan(first).to_data()["wires"] == make_plan(second).to_data()["wires"]


# -- the first network ------------------------------------------------------


def test_the_coffee_shop() -> None:
    plan = make_plan(coffee_shop_nodes(), lab="coffee-shop")
    found = {node.name: (interfaces(node), routes(node)) for node in plan.nodes}
    assert found == {
        "h1": (["eth0 192.168.1.2/24 home"], ["default via 192.168.1.1 dev eth0"]),
        "h2": (["eth0 192.168.1.3/24 home"], ["default via 192.168.1.1 dev eth0"]),
        "modem": (
            ["eth0 192.168.1.1/24 home", "eth1 203.0.113.1/24 modem--www.example.com"],
            [],
        ),
        "www.example.com": (["eth0 203.0.113.2/24 modem--www.example.com"], []),
    }
    assert hosts(plan.node("h1")) == [
        "192.168.1.2 h1",
        "192.168.1.3 h2",
        "192.168.1.1 modem",
        "203.0.113.2 www.example.com www",
    ]
    assert hosts(plan.node("www")) == ["203.0.113.1 modem", "203.0.113.2 www.example.com www"]


def test_the_coffee_shop_is_open(engine: Engine) -> None:
    with coffee_shop(quiet=True) as lab:
        assert_can_ping(lab["h1"], "h2")
        assert get_page(lab["h2"], "http://www.example.com/")[0] == 200


# -- routing protocols -------------------------------------------------------


@pytest.mark.cannot("swarm", "give hosts devices of the machine")
def test_two_sites_are_one_network_by_a_tunnel_and_the_provider_sees_no_word(
    engine: Engine,
) -> None:
    with site_to_site(quiet=True) as lab:
        desk, files = lab.node("desk"), lab.node("files")
        uplink = lab.node("isp").links[0]
        with uplink.capture(filter="udp port 51820") as packets:
            assert_path(desk, files, "10.1.1.1", "10.1.0.2", "10.0.0.2", "10.2.0.1", "10.2.1.2")
        assert len(packets) > 2
        assert all(packet.protocol == "WireGuard" for packet in packets)
        neighbours = lab.node("paris").vtysh("show ip ospf neighbor")
        assert "10.0.0.2" in str(neighbours)


def test_twenty_ospf_routers_find_the_fast_ring(engine: Engine) -> None:
    with ospf_rings(quiet=True) as lab:
        assert sum(isinstance(node, Router) for node in lab) == 20
        hops = lab.node("h1").traceroute("h2").hops
        # Out of the slow ring at once, and into it again at the end.
        assert [hop for hop in hops if hop.startswith("10.2.")] == []
        assert len([hop for hop in hops if hop.startswith("10.1.")]) == 5
        assert lab.wait_converged() < 60


def test_six_autonomous_systems_reach_each_other(engine: Engine) -> None:
    with autonomous_systems(quiet=True) as lab:
        numbers = {node.as_number for node in lab if isinstance(node, Router)}
        assert len(numbers) == 6
        for name in ("www", "dave"):
            assert_can_ping(lab.node("alice"), name)
        # The shortest way in systems passed: 64511 64501 64512, and not by the east.
        assert_path(lab.node("alice"), "www", "10.11.0.1", "172.16.1.1", "172.16.2.2", "10.12.0.2")
        paths = lab.node("r64511").vtysh("show ip bgp 10.14.0.0/24")
        assert "64501 64502 64513 64514" in paths


# -- how a plan is written in a table ---------------------------------------


def interfaces(node: NodePlan) -> list[str]:
    return [
        " ".join((item.name, *map(str, item.addresses), item.segment)) for item in node.interfaces
    ]


def services(node: NodePlan) -> list[str]:
    return [settings.service for settings in node.services]


def routes(node: NodePlan) -> list[str]:
    return [
        ("default" if not route.destination.prefixlen else str(route.destination))
        + (f" via {route.via}" if route.via else "")
        + f" dev {route.interface}"
        for route in node.routes
    ]


def hosts(node: NodePlan) -> list[str]:
    return [" ".join((str(entry.address), *entry.names)) for entry in node.hosts]


# -- an office with VLANs ---------------------------------------------------


def test_the_gateway_of_the_office_is_in_both_vlans() -> None:
    plan = make_plan(office_vlans_nodes())
    found = {
        item.name: [str(a) for a in item.addresses] for item in plan.node("gateway").interfaces
    }
    assert found == {"eth0": [], "eth0.10": ["192.168.10.1/24"], "eth0.20": ["192.168.20.1/24"]}
    [route] = plan.node("phone2").routes
    assert str(route.via) == "192.168.20.1"
