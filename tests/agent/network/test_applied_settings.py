"""Addresses, routes, sysctls, rulesets and connections of nodes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import NO_IPV6, Namespaces, end, needs_root, node, plug, run, says, veth


@needs_root
def test_point_to_point_addresses_and_routes(agent: Client) -> None:
    """The same /32 on two links of a router, and a host behind either."""
    with Namespaces("a") as a, Namespaces("isp") as isp, Namespaces("b") as b:
        agent.call(
            "wire",
            bridges=[],
            veths=[
                veth(end(a.pid, "eth0"), end(isp.pid, "eth0")),
                veth(end(b.pid, "eth0"), end(isp.pid, "eth1")),
            ],
        )

        def route(destination: str, interface: str, via: str | None = None) -> dict[str, Any]:
            return {"destination": destination, "interface": interface, "via": via}

        request = [
            node(
                a.pid,
                "10.25.1.65/16",
                # Not in order: the way to the gateway has to come first.
                routes_add=[
                    route("0.0.0.0/0", "eth0", "10.1.1.1"),
                    route("10.1.1.1/32", "eth0"),
                ],
            ),
            {
                "pid": isp.pid,
                "interfaces": [
                    {"name": "eth0", "addresses": ["10.1.1.1/32"]},
                    {"name": "eth1", "addresses": ["10.1.1.1/32"]},
                ],
                "sysctls": {**NO_IPV6, "net.ipv4.ip_forward": "1"},
                "routes_add": [
                    route("10.25.1.65/32", "eth0"),
                    route("10.30.1.1/32", "eth1"),
                    route("10.30.0.0/16", "eth1", "10.30.1.1"),
                ],
            },
            node(
                b.pid,
                "10.30.1.1/32",
                routes_add=[
                    route("10.1.1.1/32", "eth0"),
                    route("0.0.0.0/0", "eth0", "10.1.1.1"),
                ],
            ),
        ]
        for _ in range(2):  # once more changes nothing
            agent.call("network", nodes=request)
            assert says(b, a, "10.30.1.1") == b"hello"
        remove = [route("0.0.0.0/0", "eth0", "10.1.1.1"), route("10.77.0.0/16", "eth0")]
        agent.call("network", nodes=[{"pid": a.pid, "routes_remove": remove}])
        with pytest.raises(OSError, match="unreachable"):
            says(b, a, "10.30.1.1")


# Prints what pyroute2, which shares no line with the agent, reads in a namespace.
WITNESS = """
import json
from pyroute2 import IPRoute
with IPRoute() as ip:
    links = {
        link.get_attr("IFLA_IFNAME"): link
        for link in ip.get_links() if link.get_attr("IFLA_IFNAME") != "lo"
    }
    names = {link["index"]: name for name, link in links.items()}
    print(json.dumps({
        "links": {
            name: [link["state"], link.get_attr("IFLA_ADDRESS"), link.get_attr("IFLA_MTU"),
                   link.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_KIND")]
            for name, link in links.items()
        },
        "addresses": [
            [names[item["index"]], item.get_attr("IFA_LOCAL"), item["prefixlen"]]
            for item in ip.get_addr() if item["index"] in names
        ],
        "routes": [
            [item.get_attr("RTA_DST"), item["dst_len"], item.get_attr("RTA_GATEWAY"),
             names[item.get_attr("RTA_OIF")]]
            for item in ip.get_routes(table=254) if item.get_attr("RTA_OIF") in names
        ],
    }))
"""


@needs_root
def test_another_library_reads_from_the_kernel_what_the_agent_wrote(agent: Client) -> None:
    with Namespaces("h1") as h1, Namespaces("h2") as h2:
        mac = "02:00:00:00:00:07"
        pair_of_ends = veth(end(h1.pid, "lan0", mac=mac), end(h2.pid, "eth0"), mtu_bytes=1400)
        agent.call("wire", bridges=[], veths=[pair_of_ends])
        default = {"destination": "0.0.0.0/0", "via": "192.168.7.1", "interface": "lan0"}
        far = {"destination": "10.25.1.1/32", "via": None, "interface": "lan0"}
        agent.call(
            "network",
            nodes=[
                node(h1.pid, "192.168.7.2/24", interface="lan0", routes_add=[default, far]),
                node(h2.pid, "192.168.7.1/24"),
            ],
        )
        command = ["nsenter", f"--net=/proc/{h1.pid}/ns/net", sys.executable, "-c", WITNESS]
        seen = json.loads(subprocess.run(command, stdout=-1, check=True, timeout=30).stdout)
    assert seen == {
        "links": {"lan0": ["up", mac, 1400, "veth"]},
        "addresses": [["lan0", "192.168.7.2", 24]],
        "routes": [
            [None, 0, "192.168.7.1", "lan0"],
            ["10.25.1.1", 32, None, "lan0"],
            ["192.168.7.0", 24, None, "lan0"],
        ],
    }


@needs_root
def test_two_links_to_the_same_peer(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    names = ("eth0", "eth1")
    agent.call(
        "wire", bridges=[], veths=[veth(end(h1.pid, name), end(h2.pid, name)) for name in names]
    )
    for h, own, peer in ((h1, "10.0.0.1", "10.0.0.2"), (h2, "10.0.0.2", "10.0.0.1")):
        routes = [
            {"destination": f"10.{number}.0.0/16", "via": peer, "interface": name}
            for number, name in enumerate(names, 1)
        ]
        routes += [{"destination": f"{peer}/32", "via": None, "interface": name} for name in names]
        interfaces = [{"name": name, "addresses": [f"{own}/32"]} for name in names]
        agent.call(
            "network", nodes=[{"pid": h.pid, "interfaces": interfaces, "routes_add": routes}]
        )
    seen = run(agent, h1.pid, "cat /proc/net/route")
    assert {line.split()[0] for line in seen.splitlines() if "0200000A" in line} == set(names)
    assert says(h1, h2, "10.0.0.1") == b"hello"


@needs_root
def test_ipv6_addresses_are_of_use_at_once(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    for h in nodes:
        # As the engine leaves a container without a network.
        agent.call("network", nodes=[{"pid": h.pid, "sysctls": NO_IPV6}])
    plug(agent, h1, h2)
    entries = [node(h1.pid, "fd00::1/64", "10.0.0.1/24"), node(h2.pid, "fd00::2/64")]
    for entry in entries:
        entry["sysctls"] = {}
    entries[1]["routes_add"] = [{"destination": "fd01::/64", "via": "fd00::1", "interface": "eth0"}]
    agent.call("network", nodes=entries)
    assert says(h1, h2, "fd00::1") == b"hello"
    seen = run(agent, h2.pid, "cat /proc/net/ipv6_route")
    assert "fd010000000000000000000000000000 40" in seen


@needs_root
def test_addresses_are_taken_away(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    plug(agent, h1, h2)
    before = ["10.0.0.1/24", "10.0.0.9/24", "10.1.0.1/32", "fd00::1/64"]
    agent.call("network", nodes=[node(h1.pid, *before)])
    away = [
        {"interface": interface, "address": address}
        for interface, address in (
            ("eth0", "10.0.0.1/24"),
            ("eth0", "10.1.0.1/32"),
            ("eth0", "fd00::1/64"),
            ("eth0", "10.7.7.7/24"),
            ("eth7", "10.0.0.1/24"),
        )
    ]
    route = {"destination": "10.9.0.0/16", "via": "10.0.0.2", "interface": "eth7"}
    for _ in range(2):
        agent.call(
            "network",
            nodes=[node(h1.pid, "10.0.0.9/24", addresses_remove=away, routes_remove=[route])],
        )
        seen = json.loads(run(agent, h1.pid, "ip -json address show dev eth0"))
        addresses = [
            f"{row['local']}/{row['prefixlen']}"
            for row in seen[0]["addr_info"]
            if row["scope"] == "global"
        ]
        # The kernel removes the others of a network with the first of it: what is
        # to stay is given anew.
        assert addresses == ["10.0.0.9/24"]
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24", addresses_remove=away)])
    assert "10.0.0.1/24" in run(agent, h1.pid, "ip address show dev eth0")


@needs_root
def test_refused_address_names_it(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h1, h2 = nodes
    plug(agent, h1, h2)
    with pytest.raises(AgentError, match=r"cannot give eth0 the address 10\.0\.0\.1/33"):
        agent.call("network", nodes=[node(h1.pid, "10.0.0.1/33")])
    with pytest.raises(AgentError, match="there is no interface eth7"):
        agent.call("network", nodes=[node(h1.pid, interface="eth7")])
    faulty = {"destination": "10.9.0.0/16", "via": "10.8.0.1", "interface": "lo"}
    with pytest.raises(AgentError, match=r"add the route to 10\.9\.0\.0/16 via 10\.8\.0\.1"):
        agent.call("network", nodes=[{"pid": h1.pid, "routes_add": [faulty]}])
