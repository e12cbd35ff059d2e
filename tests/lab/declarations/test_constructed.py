"""Arguments that nodes and links were made with."""

from playground import Host, Link, Router, Switch, Tunnel
from playground.lab.declarations.constructed import link_arguments, node_arguments, node_kind


def test_a_plain_node_has_no_arguments() -> None:
    assert [node_arguments(node) for node in (Host("a"), Router("b"), Switch("c"))] == [{}, {}, {}]
    assert [node_kind(node) for node in (Host("a"), Router("b"), Switch("c"))] == [
        "host",
        "router",
        "switch",
    ]


def test_a_router_without_routes_says_so_and_one_with_frr_does_not() -> None:
    assert node_arguments(Router("r", routing=None)) == {"routing": None}
    assert node_arguments(Router("r", frr="router rip\n")) == {"frr": "router rip\n"}


def test_a_program_is_no_service_of_its_own() -> None:
    host = Host("h1", services=["ssh"], programs={"api": "sleep 1"})
    assert [one.service for one in node_arguments(host)["services"]] == ["ssh"]


def test_no_address_is_told_from_one_that_the_lab_chooses() -> None:
    lan = Switch("lan")
    assert link_arguments(Link(lan, Host("a"))) == {}
    assert link_arguments(Link(lan, Host("b"), address=None)) == {"address": None}
    a, b = Router("r1"), Router("r2")
    both = link_arguments(Link(a, b, addresses=("10.0.0.1/24", None)))
    assert both == {"addresses": ["10.0.0.1/24", None]}


def test_a_trunk_has_an_address_in_each_vlan() -> None:
    office, router = Switch("office", vlans=(10, 20)), Router("r")
    trunk = Link(office, router, trunk=True, native=10, address={10: "10.1.0.1", 20: "10.2.0.1"})
    assert link_arguments(trunk) == {
        "trunk": True,
        "native": 10,
        "address": {10: "10.1.0.1", 20: "10.2.0.1"},
    }


def test_a_tunnel_says_its_kind_and_number() -> None:
    tunnel = Tunnel(Router("a"), Router("b"), kind="vxlan", subnet="10.9.0.0/24", vni=42)
    assert link_arguments(tunnel) == {"kind": "vxlan", "subnet": "10.9.0.0/24", "vni": 42}
