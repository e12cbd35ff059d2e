"""Addresses of interfaces, and the neighbours that a node knows."""

from __future__ import annotations

from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, needs_root, node, run, says, veth


@needs_root
def test_neighbours_that_are_forgotten_are_asked_for_again(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24"), node(h2.pid, "10.0.0.2/24")])
    assert says(h2, h1, "10.0.0.2") == b"hello"
    assert "10.0.0.2" in run(agent, h1.pid, "ip neigh show nud reachable")
    here = {
        "pid": h1.pid,
        "interface": "eth0",
        "addresses": ["10.0.0.2", "10.0.0.9", "2001:db8::1"],
    }
    agent.call("forget_neighbours", nodes=[here, {**here, "interface": "eth9"}])
    assert run(agent, h1.pid, "ip neigh show nud reachable") == ""
    assert says(h2, h1, "10.0.0.2") == b"hello"
