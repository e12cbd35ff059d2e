"""Ends of tunnels: messages as pyroute2 reads them, and what a node has of them."""

from __future__ import annotations

from typing import Any

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from playground.agent.links.tunnels import new_tunnel
from tests.support_agent import Namespaces, connect, needs_root, node, read_message, run

MAC = "02:00:00:00:00:01"


def wanted(kind: str, **said: Any) -> dict[str, Any]:
    ends = {"local": "10.0.1.1", "remote": "10.0.2.1"}
    usual = {"number": None, "port": None, "ttl": 64, "mtu_bytes": 1400, "mac": MAC}
    return {"kind": kind, **ends, **usual, **said}


def options(kind: str, **said: Any) -> dict[str, Any]:
    message = read_message(ifinfmsg, new_tunnel("t1", wanted(kind, **said)))
    assert message.get_attr("IFLA_MTU") == 1400
    information = message.get_attr("IFLA_LINKINFO")
    assert information.get_attr("IFLA_INFO_KIND") == kind
    return dict(information.get_attr("IFLA_INFO_DATA")["attrs"])


def test_gre_writes_its_key_both_ways() -> None:
    found = options("gre", number=7)
    assert (found["IFLA_GRE_LOCAL"], found["IFLA_GRE_REMOTE"]) == ("10.0.1.1", "10.0.2.1")
    assert found["IFLA_GRE_IKEY"] == found["IFLA_GRE_OKEY"] == 7
    assert "IFLA_GRE_IKEY" not in options("gre")


def test_ip_in_ip_has_both_addresses() -> None:
    for kind in ("ipip", "sit"):
        found = {name.rpartition("_")[2]: value for name, value in options(kind).items()}
        assert (found["LOCAL"], found["REMOTE"], found["TTL"]) == ("10.0.1.1", "10.0.2.1", 64)


def test_vxlan_has_its_number_and_its_port_in_either_family() -> None:
    found = options("vxlan", number=9, port=4789)
    assert (found["IFLA_VXLAN_ID"], found["IFLA_VXLAN_PORT"]) == (9, 4789)
    assert found["IFLA_VXLAN_GROUP"] == "10.0.2.1"
    six = options("vxlan", number=9, port=4789, local="2001:db8::1", remote="2001:db8::2")
    assert six["IFLA_VXLAN_GROUP6"] == "2001:db8::2"


@needs_root
def test_an_end_is_made_once_and_has_no_offloads() -> None:
    tunnel = wanted("vxlan", number=5, port=4789)
    with Namespaces("h1") as h1, connect() as agent:
        told = node(h1.pid, "10.9.0.1/24", interface="vxlan0")
        told["interfaces"][0] |= {"tunnel": tunnel, "offload": False}
        for _ in range(2):
            agent.call("network", nodes=[told])
        said = run(agent, h1.pid, "ip -d address show vxlan0")
        assert "vxlan id 5 remote 10.0.2.1 local 10.0.1.1" in said
        assert "mtu 1400" in said and MAC in said and "10.9.0.1/24" in said
