"""Waiting for handshakes: who is asked, who is told again, what is said where none comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from playground.errors import NotReady
from playground.lab.links.wireguard_handshakes import wait_for_handshakes
from playground.model.links.tunnel import Tunnel
from playground.model.topology import Host, Link
from playground.planning.difference import compare
from playground.planning.planner import make_plan


@dataclass
class Agent:
    """The line to an agent on whose nodes `wg` shows a handshake after so many tries."""

    tries: int
    asked: list[str] = field(default_factory=list)

    def spawn(self, pid: int, argv: list[str], user: str) -> Any:
        self.asked.append(argv[0])
        met = self.asked.count("sh") >= self.tries
        return Process(f"key {1764312345 if met else 0}\n" if argv[0] == "wg" else "")


@dataclass
class Process:
    said: str

    def communicate(self, **_: Any) -> tuple[bytes, bytes]:
        return self.said.encode(), b""

    def wait(self, _: float) -> int:
        return 0


def wait(agent: Agent, kind: str, timeout_s: float = 20) -> None:
    a, b = Host("a"), Host("b")
    Link(a, b)
    Tunnel(a, b, kind=kind)
    plan = make_plan([a])
    wait_for_handshakes(agent, {"a": 1, "b": 2}, plan, compare(None, plan).inside, timeout_s)


def test_only_tunnels_of_wireguard_are_waited_for() -> None:
    agent = Agent(0)
    wait(agent, "vxlan")
    assert agent.asked == []


def test_both_ends_begin_once_and_are_waited_for() -> None:
    agent = Agent(1)
    wait(agent, "wireguard")
    assert agent.asked.count("sh") == 2


def test_what_does_not_come_is_named() -> None:
    with pytest.raises(NotReady, match=r"no handshake .* on a's wg0, b's wg0: look at `wg show`"):
        wait(Agent(99), "wireguard", timeout_s=0.3)
