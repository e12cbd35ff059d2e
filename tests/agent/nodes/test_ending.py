"""The end of all that runs in a node."""

from __future__ import annotations

import os

import pytest

from playground.agent.nodes.ending import end_programs
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, needs_root, wait_for


def test_the_agents_own_processes_are_no_nodes() -> None:
    with pytest.raises(ProcessLookupError):
        end_programs([os.getpid()], 0)


@needs_root
def test_what_forks_on_and_on_ends_too(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h = nodes[0]
    # As many at a time as end; each hears nothing of SIGTERM.
    script = "trap '' TERM; (while :; do (sleep 0.01) & wait; done) & wait"
    for _ in range(3):
        agent.spawn(h.pid, ["sh", "-c", script])
    wait_for(lambda: len(agent.call("processes", pid=h.pid)) > 4)
    agent.call("power_off", nodes=[{"pid": h.pid, "interfaces": []}], timeout_s=0.05)
    rows = agent.call("processes", pid=h.pid)
    # Their first process is one that takes leave of nobody.
    assert [row["pid"] for row in rows if row["state"] != "Z"] == [1]


@needs_root
def test_who_hears_sigterm_has_time(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> None:
    h = nodes[0]
    script = "trap 'sleep 0.2; echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    job = agent.spawn(h.pid, ["sh", "-c", script])
    wait_for(lambda: len(agent.call("processes", pid=h.pid)) > 1)
    agent.call("power_off", nodes=[{"pid": h.pid, "interfaces": []}], timeout_s=20)
    assert job.wait(10) == 0
