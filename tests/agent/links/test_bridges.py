"""Bridges: made, changed, and what they tell."""

from __future__ import annotations

import time

from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, needs_root, node, says, veth

# What `model.switches.SwitchSettings` says of a plain switch.
PLAIN_SWITCH = {
    "stp": False,
    "ageing": 30000,
    "priority": 32768,
    "forward_delay": 0,
    "hello_time": 100,
    "max_age": 600,
}


@needs_root
def test_a_bridge_is_changed_and_says_what_it_learned(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    ports = [
        veth(end(h1.pid, "eth0", mac="02:00:00:00:00:01"), end(None, "p1", "lan")),
        veth(end(h2.pid, "eth0", mac="02:00:00:00:00:02"), end(None, "p2", "lan")),
    ]
    agent.call("wire", bridges=[{"device": "lan", "settings": PLAIN_SWITCH}], veths=ports)
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    rows = agent.call("learned", device="lan")
    assert {row["mac"]: row["port"] for row in rows} == {
        "02:00:00:00:00:01": "p1",
        "02:00:00:00:00:02": "p2",
    }
    hub = {"device": "lan", "settings": {**PLAIN_SWITCH, "ageing": 0}, "unmirror": []}
    agent.call("switch", bridges=[{**hub, "mirror": None}])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    assert agent.call("learned", device="lan") == []


@needs_root
def test_a_bridge_tells_its_tree_and_where_its_ports_stand(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, _ = nodes
    speaks = {**PLAIN_SWITCH, "stp": True, "priority": 4096, "forward_delay": 200}
    pair = veth(end(h1.pid, "eth0"), end(None, "p1", "lan"))
    agent.call("wire", bridges=[{"device": "lan", "settings": speaks}], veths=[pair])
    [row] = agent.call("switches", devices=["lan"])
    assert row["id"] == row["root"]
    assert row["id"].startswith("1000")
    assert [(port["port"], port["carrier"]) for port in row["ports"]] == [("p1", False)]
    # Back to a plain one, whose delay of 0 the kernel takes only without the protocol.
    plain = {"device": "lan", "settings": PLAIN_SWITCH, "unmirror": ["p1"], "mirror": None}
    agent.call("switch", bridges=[plain])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24")])
    # The kernel hears of a carrier a moment after it is there (its net/core/link_watch.c).
    deadline = time.monotonic() + 10
    while (row := agent.call("switches", devices=["lan"])[0])["ports"][0]["state"] != "forwarding":
        assert time.monotonic() < deadline, row
