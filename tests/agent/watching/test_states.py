"""The kernel's view of a node's network, read in one go."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from playground.agent.network.applied_settings import network
from playground.agent.network.nft_rulesets import firewall
from playground.agent.watching.states import states
from tests.support_agent import Namespaces, apart, needs_root, node


def state(h: Namespaces) -> dict[str, Any]:
    [found] = apart(states, [h.pid])
    assert isinstance(found, dict)
    return found


@needs_root
def test_interfaces_addresses_and_routes(wired: Namespaces) -> None:
    routes = [{"destination": "10.9.0.0/16", "via": "10.0.0.2", "interface": "e0"}]
    apart(network, [node(wired.pid, "10.0.0.1/24", interface="e0", routes_add=routes)])
    found = state(wired)
    rows = {row["name"]: row for row in found["interfaces"]}
    assert set(rows) == {"lo", "e0", "e1"}
    assert (rows["e0"]["kind"], rows["e0"]["up"], rows["e0"]["carrier"]) == ("veth", True, True)
    assert rows["e0"]["below"] is None
    assert [row["address"] for row in rows["e0"]["addresses"]] == ["10.0.0.1/24"]
    assert "ipv4.rp_filter" in rows["e0"]["settings"]
    ways = {row["destination"]: row["via"] for row in found["routes"]}
    assert ways == {"10.0.0.0/24": None, "10.9.0.0/16": "10.0.0.2"}
    assert found["sysctls"]["net.ipv4.ip_forward"] in ("0", "1")


@needs_root
def test_what_listens_with_the_program_that_holds_it(wired: Namespaces) -> None:
    with contextlib.ExitStack() as stack:
        with wired.network():
            tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            udp.bind(("127.0.0.1", 0))
            client = stack.enter_context(socket.create_connection(tcp.getsockname()))
        found = {(row["protocol"], row["port"]): row for row in state(wired)["sockets"]}
        # A connection listens to nobody.
        assert ("tcp", client.getsockname()[1]) not in found
        for protocol, opened in (("tcp", tcp), ("udp", udp)):
            row = found[protocol, opened.getsockname()[1]]
            # This program holds it, but it stands outside of the node.
            assert (row["address"], row["program"], row["only_ipv6"]) == ("127.0.0.1", None, False)


@needs_root
def test_rules_are_read_where_there_are_tables(wired: Namespaces) -> None:
    before = state(wired)
    assert (before["tables"], before["firewall"]) == ([], [])
    apart(firewall, [{"pid": wired.pid, "ruleset": ["table inet lab { chain input { drop; }; }"]}])
    found = state(wired)
    assert found["tables"] == [["inet", "lab"]]
    [rule] = found["firewall"]
    assert (rule["chain"], rule["text"], rule["statements"]) == ("input", "drop", ["drop"])
    apart(firewall, [{"pid": wired.pid, "ruleset": ["delete table inet lab"]}])
