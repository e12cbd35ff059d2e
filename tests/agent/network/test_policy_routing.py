"""Routes and policy rules said by hand: encoded, put into a node, read back, taken away."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from playground.agent.links.netlink import Netlink
from playground.agent.network.policy_routing import (
    RTM_DELRULE,
    RTM_NEWRULE,
    own_route,
    policy_rule,
    policy_rules,
    steer,
    steer_back,
)
from playground.agent.network.routes import RTM_DELROUTE, RTM_NEWROUTE, routes
from tests.support_agent import Namespaces, apart, needs_root, read_message

RULE: dict[str, Any] = {
    "family": 4,
    "priority": 1000,
    "source": "192.168.2.0/24",
    "destination": None,
    "interface": "e0",
    "mark": 7,
    "table": 100,
}
HOLE: dict[str, Any] = {
    "destination": "10.66.0.0/16",
    "kind": "blackhole",
    "table": 1000,
    "metric": 20,
    "hops": [],
}


@pytest.mark.parametrize("kind", [RTM_NEWRULE, RTM_DELRULE])
def test_a_policy_rule_as_another_library_reads_it(kind: int) -> None:
    read = read_message(fibmsg, policy_rule(kind, RULE))
    assert (read["family"], read["src_len"], read["dst_len"]) == (socket.AF_INET, 24, 0)
    names = ("FRA_SRC", "FRA_PRIORITY", "FRA_IIFNAME", "FRA_FWMARK", "FRA_TABLE", "FRA_DST")
    assert [read.get_attr(name) for name in names] == ["192.168.2.0", 1000, "e0", 7, 100, None]


@pytest.mark.parametrize("kind", [RTM_NEWROUTE, RTM_DELROUTE])
def test_a_route_by_hand_as_another_library_reads_it(kind: int) -> None:
    read = read_message(rtmsg, own_route(kind, HOLE))
    assert (read["family"], read["dst_len"], read["type"]) == (socket.AF_INET, 16, 6)
    # A table of more than a byte stands in the attribute alone.
    assert (read["table"], read.get_attr("RTA_TABLE")) == (0, 1000)
    assert (read.get_attr("RTA_DST"), read.get_attr("RTA_PRIORITY")) == ("10.66.0.0", 20)


@needs_root
def test_what_was_said_by_hand_is_put_into_a_node_and_taken_away(wired: Namespaces) -> None:
    shared = {
        "destination": "10.5.0.0/16",
        "kind": "unicast",
        "table": 100,
        "metric": None,
        "hops": [{"interface": "e0", "via": None}, {"interface": "e1", "via": None}],
    }
    with wired.network():
        netlink = Netlink(None)
        steer(netlink, {"own_routes_add": [HOLE, shared], "rules_add": [RULE, RULE]})
        assert apart(policy_rules, wired.pid) == [RULE]
        [rows] = routes([wired.pid])
        assert [(row["interface"], row["weight"]) for row in rows if row["table"] == 100] == [
            ("e0", 1),
            ("e1", 1),
        ]
        assert [(row["kind"], row["metric"]) for row in rows if row["table"] == 1000] == [(6, 20)]
        gone = {"own_routes_remove": [HOLE, shared], "rules_remove": [RULE]}
        steer_back(netlink, gone)
        steer_back(netlink, gone)  # what is gone already is no error
        assert apart(policy_rules, wired.pid) == []
        assert not [row for row in routes([wired.pid])[0] if row["table"] in (100, 1000)]
        netlink.close()
