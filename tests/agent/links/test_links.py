"""Interfaces and veth pairs: messages, and rows read back."""

from __future__ import annotations

import pytest

from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, needs_root, node, says, veth


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
