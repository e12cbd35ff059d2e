"""The connections that a node keeps in mind."""

from __future__ import annotations

import socket

from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, needs_root, run

# A rule that asks for the state of a connection, so that the kernel tracks them.
TRACKING = """\
table inet lab
delete table inet lab
table inet lab {
	chain output {
		type filter hook output priority filter; policy accept;
		ct state new counter accept
	}
}
"""


@needs_root
def test_connections_are_read_and_forgotten(agent: Client) -> None:
    with Namespaces("h1") as h1:
        agent.call("network", nodes=[{"pid": h1.pid}])
        agent.call("firewall", nodes=[{"pid": h1.pid, "ruleset": [TRACKING]}])
        run(agent, h1.pid, "ping -c 1 127.0.0.1")
        [row] = agent.call("connections", pid=h1.pid)
        assert (row["protocol"], row["source"], row["reply_source"]) == (
            socket.IPPROTO_ICMP,
            "127.0.0.1",
            "127.0.0.1",
        )
        assert (row["state"], row["destination_port"], row["packets"]) == (None, None, None)
        assert 0 < row["expires_s"] <= 30
        other = row | {"source_port": row["source_port"] ^ 1}
        assert agent.call("forget", pid=h1.pid, connections=[other]) == 0
        assert agent.call("forget", pid=h1.pid, connections=[row]) == 1
        assert agent.call("connections", pid=h1.pid) == []
        run(agent, h1.pid, "ping -c 1 127.0.0.1")
        assert agent.call("forget", pid=h1.pid, connections=None) == 1
        run(agent, h1.pid, "for n in 1 2 3; do ping -c 1 127.0.0.$n; done")
        assert [len(agent.call("connections", pid=h1.pid, most=n)) for n in (2, 3, 9)] == [2, 3, 3]
