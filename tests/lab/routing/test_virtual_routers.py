"""A lab waits until somebody has each shared address."""

from __future__ import annotations

import pytest

from playground.errors import NotReady
from playground.lab.routing.virtual_routers import wait_masters
from playground.operations.network import Link, Router, Switch
from playground.planning.planner import make_plan


class Answers:
    """An agent whose nodes answer `ip address` with what is set, one word a question."""

    def __init__(self, *words: str) -> None:
        self.words = list(words)
        self.asked: list[int] = []

    def spawn(self, pid: int, argv: list[str], limit_s: float) -> Answers:
        self.asked.append(pid)
        return self

    def communicate(self, timeout_s: float, limit_bytes: int) -> tuple[bytes, bytes]:
        return (self.words.pop(0) if self.words else "").encode(), b""


def test_it_asks_until_one_of_a_group_has_the_address() -> None:
    lan = Switch("lan", subnet="192.168.1.0/24")
    r1, r2 = Router("r1"), Router("r2")
    for router in (r1, r2):
        router.vrrp(Link(lan, router), address="192.168.1.254")
    plan, pids = make_plan([lan]), {"r1": 1, "r2": 2}
    agent = Answers("", "", "", "192.168.1.254")
    wait_masters(agent, plan, pids, ["r1"], 5)  # type: ignore[arg-type]
    assert agent.asked == [1, 2, 1, 2]
    wait_masters(Answers(), plan, pids, [], 5)  # type: ignore[arg-type]
    # Every home has such an address.
    home = Switch("home", subnet="192.168.1.0/24")
    r3 = Router("r3")
    r3.vrrp(Link(home, r3), address="192.168.1.254")
    plan, pids = make_plan([lan, home]), {"r1": 1, "r2": 2, "r3": 3}
    agent = Answers("192.168.1.254", "", "192.168.1.254")
    wait_masters(agent, plan, pids, ["r1", "r3"], 5)  # type: ignore[arg-type]
    assert agent.asked == [1, 3, 3]
    with pytest.raises(NotReady, match=r"r1 and r2 share the address 192\.168\.1\.254, and none"):
        wait_masters(Answers(), plan, pids, ["r2"], 0.2)  # type: ignore[arg-type]
