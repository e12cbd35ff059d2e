"""Host names of nodes."""

from __future__ import annotations

import socket

from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, needs_root, run


@needs_root
def test_hostnames(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    machine = socket.gethostname()
    names = ["alpha", "beta"]
    entries = [{"pid": h.pid, "hostname": name} for h, name in zip(nodes, names, strict=True)]
    agent.call("hostname", nodes=entries)
    assert [run(agent, h.pid, "hostname").strip() for h in nodes] == names
    assert [agent.call("hostname_of", pid=h.pid) for h in nodes] == names
    assert socket.gethostname() == machine
