"""Packets watched while another machine sends them."""

from __future__ import annotations

import base64
from typing import Any

from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, needs_root, node, veth


def watched(agent: Client, pids: list[int], opening: bool, protocol: int = 6) -> int:
    found = agent.call("watch_packets", watch=pids, protocol=protocol, opening=opening)
    assert isinstance(found, int)
    return found


@needs_root
def test_all_that_passes_until_the_end_is_seen(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    rules = "table inet t { chain c { type filter hook input priority 0; tcp dport 80 drop; }; }"
    agent.call("firewall", nodes=[{"pid": h2.pid, "ruleset": [rules]}])
    watcher = watched(agent, [h2.pid], opening=True)
    other = watched(agent, [h2.pid], opening=False, protocol=17)
    to = {"destination": "10.0.0.2", "port": 80, "payload": ""}
    agent.call("probe", pid=h1.pid, watch=[h1.pid], protocol=6, **to)
    seen: Any = agent.call("packets_watched", watcher=watcher)
    tcp = [data for *_, data in seen["frames"] if base64.b64decode(data)[23:24] == b"\x06"]
    assert tcp
    assert any((row["watch"], row["verdict"]) == (0, 0) for row in seen["traces"])
    assert seen["counted"] == [{}]
    # One that watches for another protocol has seen who asked for the address, and no more.
    assert not [
        data
        for *_, data in agent.call("packets_watched", watcher=other)["frames"]
        if base64.b64decode(data)[23:24] == b"\x06"
    ]
