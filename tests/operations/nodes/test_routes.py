"""Routes as the kernel has them, read back as rows."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from playground.agent.links.netlink import attribute
from playground.agent.network.routes import route_rows
from playground.engines.seam import Engine
from playground.errors import NotRunning
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Router
from playground.operations.nodes.routes import read_route, with_hops
from playground.planning.route_rows import Route

NAMES = {2: "eth0", 3: "eth1"}


def row(**more: Any) -> dict[str, Any]:
    nothing = {"via": None, "interface": None, "metric": None, "source": None, "weight": 1}
    return {"destination": "10.9.0.0/16", "protocol": 4, "kind": 1, "table": 254} | nothing | more


def test_a_route_says_who_made_it_and_what_it_does() -> None:
    learned = read_route(row(via="10.0.3.2", interface="eth1", metric=20, protocol=188))
    assert learned == Route(
        ip_network("10.9.0.0/16"), ip_address("10.0.3.2"), "eth1", 20, protocol="ospf"
    )
    dropped = read_route(row(kind=6, table=100, interface="lo"))
    assert (dropped.kind, dropped.interface, dropped.table) == ("blackhole", None, "100")


@pytest.mark.parametrize(
    ("made", "command"),
    [
        (row(interface="eth0"), "ip route add 10.9.0.0/16 dev eth0"),
        (
            row(destination="0.0.0.0/0", via="10.0.0.1", interface="eth0", metric=5),
            "ip route add default via 10.0.0.1 dev eth0 metric 5",
        ),
        (
            row(destination="2001:db8::/32", via="fe80::1", interface="eth0", table=100),
            "ip -6 route add 2001:db8::/32 via fe80::1 dev eth0 table 100",
        ),
        (row(kind=6), "ip route add blackhole 10.9.0.0/16"),
    ],
)
def test_the_command_that_makes_the_same(made: dict[str, Any], command: str) -> None:
    assert read_route(made).as_shell() == command


def test_the_command_for_one_of_several_paths_makes_them_all() -> None:
    paths = [
        read_route(row(via=via, interface=interface, metric=20))
        for via, interface in (("10.0.3.2", "eth0"), ("10.0.6.1", "eth1"))
    ]
    other = read_route(row(destination="10.8.0.0/16", via="10.0.6.1", interface="eth1"))
    commands = {route.as_shell() for route in with_hops([*paths, other])}
    assert commands == {
        "ip route add 10.9.0.0/16 metric 20 "
        "nexthop via 10.0.3.2 dev eth0 nexthop via 10.0.6.1 dev eth1",
        "ip route add 10.8.0.0/16 via 10.0.6.1 dev eth1",
    }


def test_equal_paths_are_a_row_each() -> None:
    header = struct.pack("BBBBBBBBI", socket.AF_INET, 16, 0, 0, 254, 188, 0, 1, 0)
    hops = b"".join(
        struct.pack("HBBi", 16, 0, weight, index) + attribute(5, socket.inet_aton(via))
        for weight, index, via in ((0, 2, "10.0.3.2"), (2, 3, "10.0.6.1"))
    )
    answer = header + attribute(1, socket.inet_aton("10.9.0.0")) + attribute(9, hops)
    found = [(r["via"], r["interface"], r["weight"]) for r in route_rows(answer, NAMES)]
    assert found == [("10.0.3.2", "eth0", 1), ("10.0.6.1", "eth1", 3)]


def test_a_nodes_own_addresses_are_no_routes() -> None:
    local = struct.pack("BBBBBBBBI", socket.AF_INET, 32, 0, 0, 255, 2, 0, 2, 0)
    assert list(route_rows(local, NAMES)) == []


def test_a_router_shows_what_was_planned(engine: Engine) -> None:
    h1, modem, isp = Host("h1"), Router("modem"), Router("isp")
    Link(h1, modem, subnet="192.168.1.0/24")
    Link(modem, isp, addresses=("10.25.1.65/16", "10.25.1.1/16"))
    with pytest.raises(NotRunning):
        isp.routes()
    with Lab(h1, quiet=True):
        rows = [(str(r.destination), str(r.via), r.interface, r.protocol) for r in isp.routes()]
        assert rows == [
            ("10.25.0.0/16", "None", "eth0", "kernel"),
            ("192.168.1.0/24", "10.25.1.65", "eth0", "static"),
        ]
        assert [str(r.destination) for r in h1.routes() if r.via] == ["0.0.0.0/0"]
        assert repr(isp.routes()).splitlines()[0].split()[:3] == ["destination", "via", "interface"]
