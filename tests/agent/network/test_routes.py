"""Routes: messages to add and remove them, and rows read back."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from playground.agent.links.bridge_vlans import AF_BRIDGE
from playground.agent.links.netlink import attribute, attributes
from playground.agent.network.addresses import RT_SCOPE_LINK, RT_SCOPE_NOWHERE, RT_SCOPE_UNIVERSE
from playground.agent.network.routes import (
    RT_TABLE_LOCAL,
    RTA_DST,
    RTA_MULTIPATH,
    RTM_DELROUTE,
    RTM_F_CLONED,
    RTM_NEWROUTE,
    gateway_attribute,
    gateway_of,
    route,
    route_rows,
)
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, needs_root, node, read_message, veth


@needs_root
def test_routes_are_read_from_each_node(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    gateway = {"destination": "10.9.0.0/16", "via": "10.0.0.2", "interface": "eth0"}
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24", routes_add=[gateway])])
    first, second = agent.call("routes", pids=[h1.pid, h2.pid])
    found = {(r["destination"], r["via"], r["interface"]) for r in first if "." in r["destination"]}
    assert found == {("10.0.0.0/24", None, "eth0"), ("10.9.0.0/16", "10.0.0.2", "eth0")}
    assert [r for r in second if "." in r["destination"]] == []
    [one], _ = agent.call("routes", pids=[h1.pid, h2.pid], most=1)
    assert one in first


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            {"destination": "10.9.0.0/16", "via": "10.0.0.1", "interface": "eth0"},
            ("10.9.0.0", 16, "10.0.0.1", RT_SCOPE_UNIVERSE),
        ),
        (
            {"destination": "10.9.0.0/16", "via": None, "interface": "eth0"},
            ("10.9.0.0", 16, None, RT_SCOPE_LINK),
        ),
        (
            {"destination": "0.0.0.0/0", "via": "10.0.0.1", "interface": "eth0"},
            (None, 0, "10.0.0.1", RT_SCOPE_UNIVERSE),
        ),
        (
            {"destination": "::/0", "via": "fe80::1", "interface": "eth0"},
            (None, 0, "fe80::1", RT_SCOPE_UNIVERSE),
        ),
        (
            {"destination": "2001:db8::/64", "via": None, "interface": "eth0"},
            ("2001:db8::", 64, None, RT_SCOPE_UNIVERSE),
        ),
    ],
)
def test_a_route_as_another_library_reads_it(entry: Any, expected: tuple[Any, ...]) -> None:
    read = read_message(rtmsg, route(RTM_NEWROUTE, entry, 3))
    assert (read.get_attr("RTA_OIF"), read["proto"], read["type"]) == (3, 4, 1)
    found = (read.get_attr("RTA_DST"), read["dst_len"], read.get_attr("RTA_GATEWAY"), read["scope"])
    assert found == expected
    # To take it away its scope and who made it do not matter.
    gone = read_message(rtmsg, route(RTM_DELROUTE, entry, 3))
    assert (gone["scope"], gone["proto"], gone["dst_len"]) == (RT_SCOPE_NOWHERE, 0, expected[1])


@pytest.mark.parametrize(
    ("family", "via"),
    [
        (socket.AF_INET, "10.0.0.1"),
        (socket.AF_INET6, "fe80::1"),
        (socket.AF_INET, "fe80::1"),  # RFC 8950
    ],
)
def test_a_gateway_may_be_of_another_family(family: int, via: str) -> None:
    assert gateway_of(family, attributes(gateway_attribute(family, via))) == via


def test_a_route_of_several_hops_is_a_row_a_hop() -> None:
    hops = b"".join(
        struct.pack("HBBi", 16, 0, weight, index) + gateway_attribute(socket.AF_INET, via)
        for weight, index, via in ((0, 2, "10.0.1.1"), (2, 3, "10.0.2.1"))
    )
    head = struct.pack("BBBBBBBBI", socket.AF_INET, 16, 0, 0, 254, 4, 0, 1, 0)
    answer = head + attribute(RTA_DST, bytes([10, 9, 0, 0])) + attribute(RTA_MULTIPATH, hops)
    rows = route_rows(answer, {2: "eth0", 3: "eth1"})
    assert [(row["destination"], row["via"], row["interface"], row["weight"]) for row in rows] == [
        ("10.9.0.0/16", "10.0.1.1", "eth0", 1),
        ("10.9.0.0/16", "10.0.2.1", "eth1", 3),
    ]


@pytest.mark.parametrize(
    ("family", "table", "flags"),
    [
        (socket.AF_INET, RT_TABLE_LOCAL, 0),
        (socket.AF_INET, 254, RTM_F_CLONED),
        (AF_BRIDGE, 254, 0),
    ],
)
def test_what_is_no_route_of_a_persons(family: int, table: int, flags: int) -> None:
    answer = struct.pack("BBBBBBBBI", family, 0, 0, 0, table, 2, 0, 1, flags)
    assert list(route_rows(answer, {})) == []
