"""Bridges: made, changed, and what they tell."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from playground.agent.links.bridges import GROUP_FORWARD_MASK, change_bridge, new_bridge
from playground.agent.links.netlink import Message
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, needs_root, node, read_message, says, veth

# The settings that `model.switches.SwitchSettings` gives a plain switch.
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


def _options(message: Message) -> Any:
    read = read_message(ifinfmsg, message)
    information = read.get_attr("IFLA_LINKINFO")
    assert information.get_attr("IFLA_INFO_KIND") == "bridge"
    return information.get_attr("IFLA_INFO_DATA")


def test_a_new_bridge_is_silent_and_passes_all_groups_that_it_may() -> None:
    options = _options(new_bridge("lan"))
    names = ("IFLA_BR_STP_STATE", "IFLA_BR_FORWARD_DELAY", "IFLA_BR_MCAST_SNOOPING")
    assert [options.get_attr(name) for name in names] == [0, 0, 0]
    assert options.get_attr("IFLA_BR_GROUP_FWD_MASK") == GROUP_FORWARD_MASK


def test_settings_of_a_switch_as_another_library_reads_them() -> None:
    options = _options(new_bridge("lan", {**PLAIN_SWITCH, "stp": True, "priority": 4096}))
    names = ("STP_STATE", "PRIORITY", "AGEING_TIME", "HELLO_TIME", "MAX_AGE", "FORWARD_DELAY")
    assert [options.get_attr(f"IFLA_BR_{name}") for name in names] == [1, 4096, 30000, 100, 600, 0]


@pytest.mark.parametrize(("stp", "messages"), [(True, 1), (False, 2)])
def test_a_bridge_leaves_its_tree_before_its_delay_is_none(stp: bool, messages: int) -> None:
    told = change_bridge("lan", {**PLAIN_SWITCH, "stp": stp})
    assert len(told) == messages
    first = _options(told[0])
    assert first.get_attr("IFLA_BR_STP_STATE") == stp
    if not stp:
        assert first.get_attr("IFLA_BR_FORWARD_DELAY") is None
