"""Guards of ports: loaded whole or not at all, read, and taken away."""

from __future__ import annotations

import pytest

from playground.errors import AgentError
from playground.model.switching.port_guards import PortGuardPlan
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, needs_root, node, says, veth


@needs_root
def test_guards_are_loaded_read_and_taken_away(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    ports = [
        veth(end(h1.pid, "eth0", mac="02:00:00:00:00:01"), end(None, "p1", "lan")),
        veth(end(h2.pid, "eth0", mac="02:00:00:00:00:02"), end(None, "p2", "lan")),
    ]
    agent.call("wire", bridges=[{"device": "lan"}], veths=ports)
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    one = PortGuardPlan("p1", max_macs=1, sticky=True)
    two = PortGuardPlan("p2", storm_limit=1000)
    requests = [guard.request() for guard in (one, two)]
    agent.call("guard_ports", bridges=[{"device": "lan", "guards": requests, "unguarded": []}])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    tables = [one.table, two.table, "port-none"]
    rows = agent.call("port_guards", device="lan", tables=tables)
    assert [row["table"] for row in rows] == tables[:2]
    assert rows[0]["learned"] == ["02:00:00:00:00:01"]
    assert (rows[0]["refused"], rows[0]["refusals"], rows[0]["flooded"]) == ([], 0, None)
    assert (rows[1]["learned"], rows[1]["refusals"], rows[1]["suppressed"]) == ([], None, 0)

    bad = {"port": "p1", "table": one.table, "commands": ["add rule bridge nobody knows"]}
    wanted = {"device": "lan", "guards": [bad], "unguarded": [two.table]}
    with pytest.raises(AgentError, match="nft refused the guards of ports"):
        agent.call("guard_ports", bridges=[wanted])
    assert len(agent.call("port_guards", device="lan", tables=tables)) == 2

    gone = {"device": "lan", "guards": [], "unguarded": tables}
    agent.call("guard_ports", bridges=[gone])
    assert agent.call("port_guards", device="lan", tables=tables) == []
    with pytest.raises(AgentError):
        agent.call("port_guards", device="nobody", tables=tables)
