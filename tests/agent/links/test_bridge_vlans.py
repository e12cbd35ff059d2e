"""VLANs of switches: told to ports, read back, in either way that a kernel may have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from playground.agent.links import bridge_vlans, tagged_interfaces
from playground.agent.links.bridge_vlans import (
    BRIDGE_VLAN_INFO_PVID,
    BRIDGE_VLAN_INFO_UNTAGGED,
    RTM_SETLINK,
    bridge_of,
    bridges_of,
    carry,
    delete_parts,
    filter_vlans,
    parts,
    port_row,
    tagged_port,
    trunk_of,
    vlans_body,
)
from playground.agent.links.bridges import new_bridge, switches
from playground.agent.links.interfaces import delete_link, index_or_none, interface_index
from playground.agent.links.netlink import Message, Netlink
from tests.support_agent import Namespaces, needs_root, read_message

UNTAGGED = BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, {"vlan": None, "trunk": []}),
        ({10: UNTAGGED}, {"vlan": 10, "trunk": []}),
        ({20: 0, 10: 0}, {"vlan": None, "trunk": [10, 20]}),
        ({20: 0, 10: UNTAGGED}, {"vlan": 10, "trunk": [20]}),
    ],
)
def test_which_vlans_a_port_carries(flags: dict[int, int], expected: dict[str, Any]) -> None:
    assert port_row(flags) == expected


def test_vlans_of_a_port_as_another_library_reads_them() -> None:
    body = vlans_body(5, {10: UNTAGGED, 20: 0})
    read = read_message(ifinfmsg, Message(RTM_SETLINK, 0, body, "put a port into VLANs"))
    assert (read["family"], read["index"]) == (bridge_vlans.AF_BRIDGE, 5)
    rows = read.get_attr("IFLA_AF_SPEC").get_attrs("IFLA_BRIDGE_VLAN_INFO")
    assert [(row["flags"], row["vid"]) for row in rows] == [(UNTAGGED, 10), (0, 20)]


@pytest.mark.parametrize(
    ("name", "trunk"),
    [(tagged_port(7, 20), 7), (bridge_of(7, 20), None), ("h1-eth0", None), ("t7", None)],
)
def test_upon_which_trunk_an_interface_stands(name: str, trunk: int | None) -> None:
    assert trunk_of(name) == trunk


@pytest.fixture(params=["the kernel's own", "a bridge for each"])
def switch(
    request: pytest.FixtureRequest, wired: Namespaces, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Netlink]:
    """A switch "lan" in the present network namespace, beside the cable's ends."""
    without = request.param != "the kernel's own"
    for module in (bridge_vlans, tagged_interfaces):
        monkeypatch.setattr(module, "WITHOUT_KERNELS_OWN", without)
    with wired.network():
        netlink = Netlink(None)
        netlink.send([new_bridge("lan")])
        filter_vlans(netlink, "lan")
        yield netlink
        delete_parts(netlink, ["lan", "e0", "e1"])
        netlink.send([delete_link("lan")])
        netlink.close()


def _ports() -> dict[str, tuple[set[int], set[int]]]:
    """Each port's VLANs, without and with a tag, put together of all bridges."""
    found: dict[str, tuple[set[int], set[int]]] = {}
    for row in switches(["lan"]):
        for port in row["ports"]:
            untagged, tagged = found.setdefault(port["port"], (set(), set()))
            untagged |= {port["vlan"]} - {None}
            tagged |= set(port["trunk"])
    return found


@needs_root
def test_an_access_port_and_a_trunk_are_read_as_they_were_told(switch: Netlink) -> None:
    carry(switch, "lan", "e0", {"vlan": 10, "trunk": []})
    carry(switch, "lan", "e1", {"vlan": None, "trunk": [10, 20]})
    assert _ports() == {"e0": ({10}, set()), "e1": (set(), {10, 20})}
    carry(switch, "lan", "e1", {"vlan": None, "trunk": [20]})
    assert _ports() == {"e0": ({10}, set()), "e1": (set(), {20})}


@needs_root
def test_what_stands_upon_a_bridge_goes_with_it(switch: Netlink) -> None:
    carry(switch, "lan", "e1", {"vlan": None, "trunk": [10, 20]})
    names = [name for name, _ in bridges_of("lan")]
    delete_parts(switch, ["lan", "e1"])
    assert [name for name in names if index_or_none(name) is not None and name != "lan"] == []
    assert parts("t", interface_index("e1")) == {}
    assert list(bridges_of("lan")) == [("lan", None)]
