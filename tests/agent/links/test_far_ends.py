"""Far ends of links that cross machines."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from typing import Any

import pytest

from playground.operations.connection.client import Client, SubprocessChannel
from tests.support_agent import Namespaces, agent_argv, end, needs_root, node, veth, wait_for

pytestmark = needs_root


@pytest.fixture
def half(agent: Client, nodes: tuple[Namespaces, Namespaces]) -> int:
    """One half of a link that crosses, whose node's end is up; the node's process id."""
    pid = nodes[0].pid
    agent.call("wire", bridges=[], veths=[veth(end(pid, "eth0"), end(None, "x000abc"))])
    agent.call("network", nodes=[node(pid, "10.0.0.1/24")])
    return pid


def states(agent: Client) -> list[tuple[str, bool, bool]]:
    return [(row["interface"], row["up"], row["carrier"]) for row in agent.call("far_ends")]


def test_a_far_end_has_a_carrier_as_long_as_the_node_s_end_is_up(agent: Client, half: int) -> None:
    assert states(agent) == [("x000abc", True, True)]
    agent.call("link", ends=[end(half, "eth0")], up=False)
    assert states(agent) == [("x000abc", True, False)]


def test_a_far_end_that_is_set_down_takes_the_node_s_carrier(agent: Client, half: int) -> None:
    agent.call("set_far_ends", up=[], down=["x000abc", "x000000"])
    [row] = agent.call("interfaces", ends=[end(half, "eth0")])
    assert (row["up"], row["carrier"]) == (True, False)
    agent.call("set_far_ends", up=["x000abc"], down=[])
    [row] = agent.call("interfaces", ends=[end(half, "eth0")])
    assert row["carrier"] is True


def test_other_interfaces_are_none(agent: Client) -> None:
    agent.call("wire", bridges=[{"device": "br0"}], veths=[])
    assert agent.call("far_ends") == []
    assert sorted(agent.call("interface_names")) == ["br0", "lo"]


class Told:
    """An agent's events about far ends, which the client has no use for."""

    def __init__(self) -> None:
        self.rows: queue.Queue[dict[str, Any]] = queue.Queue()
        self._channel = SubprocessChannel(agent_argv())
        self.client = Client(self)

    def read(self, n: int, /) -> bytes:
        data = self._channel.read(n)
        kept = []
        for line in data.splitlines(keepends=True):
            if b'"far_end"' in line:
                self.rows.put(json.loads(line))
            else:
                kept.append(line)
        return b"".join(kept) or (self.read(n) if data else b"")

    def write(self, data: bytes, /) -> None:
        self._channel.write(data)

    def close(self) -> None:
        self._channel.close()


@pytest.fixture
def told() -> Iterator[Told]:
    found = Told()
    with found.client:
        yield found


def test_who_asks_is_told_of_each_change(told: Told, nodes: tuple[Namespaces, Namespaces]) -> None:
    agent, pid = told.client, nodes[0].pid
    agent.call("wire", bridges=[], veths=[veth(end(pid, "eth0"), end(None, "x000abc"))])
    agent.call("watch_far_ends")
    agent.call("network", nodes=[node(pid, "10.0.0.1/24")])
    seen: list[bool] = []

    def comes(carrier: bool) -> bool:
        while not told.rows.empty():
            seen.append(told.rows.get()["carrier"])
        return bool(seen) and seen[-1] is carrier

    wait_for(lambda: comes(True))
    agent.call("link", ends=[end(pid, "eth0")], up=False)
    wait_for(lambda: comes(False))
