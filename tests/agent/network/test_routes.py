"""Routes: messages to add and remove them, and rows read back."""

from __future__ import annotations

from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, end, needs_root, node, veth


@needs_root
def test_routes_are_read_from_each_node(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h1, h2 = nodes
    agent.call("wire", bridges=[], veths=[veth(end(h1.pid, "eth0"), end(h2.pid, "eth0"))])
    gateway = {"destination": "10.9.0.0/16", "via": "10.0.0.2", "interface": "eth0"}
    agent.call("network", nodes=[node(h1.pid, "10.0.0.1/24", routes_add=[gateway])])
    first, second = agent.call("routes", pids=[h1.pid, h2.pid])
    found = {(r["destination"], r["via"], r["interface"]) for r in first if "." in r["destination"]}
    assert found == {("10.0.0.0/24", None, "eth0"), ("10.9.0.0/16", "10.0.0.2", "eth0")}
    assert [r for r in second if "." in r["destination"]] == []
