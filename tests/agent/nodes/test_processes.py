"""Processes of a node, as rows."""

from __future__ import annotations

from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, needs_root, wait_for


@needs_root
def test_the_first_process_of_a_node(agent: Client, pair: tuple[Namespaces, Namespaces]) -> None:
    [row] = agent.call("processes", pid=pair[0].pid)
    assert row["memory_bytes"] > 0
    assert row["cpu_s"] < 5
    known = {name: row[name] for name in ("pid", "parent", "user", "state", "command")}
    assert known == {
        "pid": 1,
        "parent": 0,
        "user": "root",
        "state": "S",
        "command": "sleep 1000",
    }


@needs_root
def test_a_name_with_parentheses_and_a_user_by_name(
    agent: Client, nodes: tuple[Namespaces, Namespaces]
) -> None:
    h = nodes[0]
    script = 'cp /bin/sleep "/run/a) b" && exec "/run/a) b" 1000'
    agent.spawn(h.pid, ["sh", "-c", script])
    agent.spawn(h.pid, ["sleep", "2000"], user="daemon")

    def found() -> dict[str, tuple[str, str]]:
        rows = agent.call("processes", pid=h.pid)
        return {row["command"]: (row["user"], row["state"]) for row in rows}

    wait_for(lambda: {"/run/a) b 1000", "sleep 2000"} <= set(found()))
    assert found()["/run/a) b 1000"] == ("root", "S")
    assert found()["sleep 2000"] == ("daemon", "S")
