"""Interfaces and veth pairs: messages, and rows read back."""

from __future__ import annotations

import pytest
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from playground.agent.links.interfaces import (
    IFF_UP,
    STATISTICS,
    index_or_none,
    interface_index,
    interfaces,
    new_veth,
    set_link,
)
from playground.agent.links.netlink import Message
from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, needs_root, node, read_message, says, veth


@needs_root
def test_interfaces_tell_their_state_and_count_what_passes(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    mac = "02:00:00:00:00:01"
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0", mac=mac), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    ends = [end(h1.pid, "eth0"), end(h2.pid, "eth0")]
    before = agent.call("interfaces", ends=ends)
    assert says(h2, h1, "10.0.0.2") == b"hello"
    row, other = agent.call("interfaces", ends=ends)
    assert (row["up"], row["carrier"], row["mtu_bytes"], row["mac"]) == (True, True, 1500, mac)
    # An ARP request and the datagram: Ethernet, IP and UDP headers and 5 bytes.
    sent = row["statistics"]["tx_bytes"] - before[0]["statistics"]["tx_bytes"]
    assert sent == 42 + 14 + 20 + 8 + 5
    assert row["statistics"]["tx_packets"] == other["statistics"]["rx_packets"]
    agent.call("link", ends=ends[1:], up=False)
    row, other = agent.call("interfaces", ends=ends)
    assert (row["up"], row["carrier"], other["up"]) == (True, False, False)
    with pytest.raises(AgentError, match="look at the interface eth9"):
        agent.call("interfaces", ends=[end(h1.pid, "eth9")])


@pytest.mark.parametrize(
    ("message", "flags", "master"),
    [
        (set_link("eth0", up=True), IFF_UP, None),
        (set_link("eth0", up=False), 0, None),
        (set_link("eth0", up=True, master=7), IFF_UP, 7),
        (set_link("eth0", up=True, master=0), IFF_UP, 0),
    ],
)
def test_an_interface_is_set_by_its_name(message: Message, flags: int, master: int | None) -> None:
    read = read_message(ifinfmsg, message)
    assert (read["index"], read["flags"], read["change"]) == (0, flags, IFF_UP)
    assert (read.get_attr("IFLA_IFNAME"), read.get_attr("IFLA_MASTER")) == ("eth0", master)


def test_a_cable_as_another_library_reads_it() -> None:
    a = end(None, "p1", mac="02:00:00:00:00:01")
    read = read_message(ifinfmsg, new_veth(a, end(42, "eth0"), 1400, 9))
    assert (read.get_attr("IFLA_IFNAME"), read.get_attr("IFLA_MTU")) == ("p1", 1400)
    assert read.get_attr("IFLA_ADDRESS") == "02:00:00:00:00:01"
    kind = read.get_attr("IFLA_LINKINFO")
    assert kind.get_attr("IFLA_INFO_KIND") == "veth"
    peer = kind.get_attr("IFLA_INFO_DATA").get_attr("VETH_INFO_PEER")
    assert (peer.get_attr("IFLA_IFNAME"), peer.get_attr("IFLA_NET_NS_FD")) == ("eth0", 9)


def test_a_cable_that_cannot_be_is_named_by_both_ends() -> None:
    message = new_veth(end(None, "p1"), end(42, "eth0"), 1500, 9)
    said = "make the link from p1 in the lab's own namespace to eth0 in the node of pid 42"
    assert message.purpose == said


@needs_root
def test_an_interface_is_found_by_its_name_and_read(wired: Namespaces) -> None:
    with wired.network():
        assert interface_index("e0") == index_or_none("e0")
        assert index_or_none("none") is None
        with pytest.raises(OSError, match="there is no interface none"):
            interface_index("none")
    [row] = interfaces([end(wired.pid, "e0")])
    assert (row["up"], row["carrier"], row["mtu_bytes"]) == (True, True, 1500)
    assert set(row["statistics"]) == set(STATISTICS)
