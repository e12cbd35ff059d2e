"""Overlays are waited for: each leaf sends to all others of its VNIs that it can reach."""

from __future__ import annotations

from typing import Any

import pytest

from playground.errors import NotReady
from playground.lab.routing.overlays import flooded_to, wait_overlays
from playground.operations.network import Host, Link, Router
from playground.planning.plan import Plan
from playground.planning.planner import make_plan

SAID = """\
6e:35:1a:00:f9:87 master br100 permanent
02:d6:c2:3b:17:32 dst 10.10.10.9 self extern_learn
00:00:00:00:00:00 dst 10.10.10.3 self permanent
00:00:00:00:00:00 dst 10.10.10.2 self permanent
"""


def test_only_what_is_for_all_counts() -> None:
    assert flooded_to(SAID) == {"10.10.10.2", "10.10.10.3"}
    assert flooded_to("") == set()


class Agent:
    """The line to leaves that have routes, and say what they are told to."""

    def __init__(self, reached: str, *said: str) -> None:
        self.reached, self.said = reached, list(said)

    def call(self, name: str, pids: list[int]) -> list[list[dict[str, str]]]:
        assert name == "routes"
        return [[{"destination": f"{self.reached}/32"}] for _ in pids]

    def spawn(self, pid: int, argv: list[str], limit_s: float) -> Any:
        assert argv[:3] == ["bridge", "fdb", "show"]
        said = self.said.pop(0) if len(self.said) > 1 else self.said[0]

        class Process:
            def communicate(self, timeout_s: float, limit_bytes: int) -> tuple[bytes, bytes]:
                return said.encode(), b""

        return Process()


@pytest.fixture(scope="module")
def plan() -> Plan:
    leaves = [Router(f"leaf{n}", routing="bgp", loopback=f"10.10.10.{n}/32") for n in (1, 2)]
    Link(*leaves)
    for leaf in leaves:
        leaf.vni(100, Link(leaf, Host(f"h-{leaf.name}")))
    return make_plan(leaves)


PIDS = {"leaf1": 1, "leaf2": 2}


def test_a_leaf_that_was_not_told_is_waited_for(plan: Plan) -> None:
    agent: Any = Agent("10.10.10.2", "", "", SAID)
    wait_overlays(agent, plan, PIDS, 20)
    assert agent.said == [SAID]


def test_who_never_hears_is_named(plan: Plan) -> None:
    agent: Any = Agent("10.10.10.2", "")
    words = r"leaf1 has not heard within 0 s that leaf2 \(10.10.10.2\) is a leaf of vni100 too"
    with pytest.raises(NotReady, match=words):
        wait_overlays(agent, plan, PIDS, 0)


def test_who_cannot_be_reached_is_not_waited_for(plan: Plan) -> None:
    agent: Any = Agent("10.10.10.9", "")
    wait_overlays(agent, plan, PIDS, 0)


def test_nobody_is_asked_where_there_are_none() -> None:
    nobody: Any = None
    wait_overlays(nobody, make_plan([Host("h1")]), {}, 0)
