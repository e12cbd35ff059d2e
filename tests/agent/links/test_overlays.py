"""Bridges with a way to others by VXLAN: made in a node, and the messages for it."""

from __future__ import annotations

from typing import Any

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from playground.agent.links.overlays import new_vxlan
from tests.support_agent import Namespaces, connect, needs_root, node, read_message, run

VNI: dict[str, Any] = {
    "bridge": "br100",
    "device": "vni100",
    "number": 100,
    "local": "10.10.10.1",
    "port": 4789,
    "mtu_bytes": 1500,
}


def test_a_vxlan_device_learns_nothing_and_sends_to_nobody_by_itself() -> None:
    read = read_message(ifinfmsg, new_vxlan(VNI))
    found = dict(read.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA")["attrs"])
    assert found["IFLA_VXLAN_ID"] == 100 and found["IFLA_VXLAN_LEARNING"] == 0
    assert found["IFLA_VXLAN_LOCAL"] == "10.10.10.1"
    assert "IFLA_VXLAN_GROUP" not in found


@needs_root
def test_it_is_made_with_its_ports_and_goes_again() -> None:
    with Namespaces("leaf") as leaf, connect() as agent:
        run(agent, leaf.pid, "ip link add eth1 type veth peer name far")
        told = node(leaf.pid, interface="eth1", vnis_add=[VNI])
        told["interfaces"][0] |= {"bridge": "br100"}
        for mtu_bytes in (1500, 1400):  # a second time only its MTU is another
            agent.call("network", nodes=[told | {"vnis_add": [VNI | {"mtu_bytes": mtu_bytes}]}])
        said = run(agent, leaf.pid, "bridge link show")
        assert "vni100" in said and "eth1" in said and said.count("master br100") == 2
        assert "learning off" in run(agent, leaf.pid, "bridge -d link show dev vni100")
        assert "mtu 1400" in run(agent, leaf.pid, "ip link show dev vni100")
        gone = node(leaf.pid, interface="eth1", vnis_remove=["vni100", "br100"])
        for _ in range(2):
            agent.call("network", nodes=[gone | {"vrfs_leave": ["eth1"]}])
        assert "br100" not in run(agent, leaf.pid, "ip -br link")
