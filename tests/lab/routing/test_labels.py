"""Labels are waited for: who takes them on one network tells the others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from playground.errors import NotReady
from playground.lab.routing.labels import neighbours, operational, wait_labels
from playground.operations.network import Host, Link, Router
from playground.planning.plan import Plan
from playground.planning.planner import make_plan

BOTH = ("10.10.10.1", "10.10.10.2")


def said(*names: str, state: str = "OPERATIONAL") -> str:
    return json.dumps({"neighbors": [{"neighborId": name, "state": state} for name in names]})


class Agent:
    """The line to routers whose ldpd say one thing after the other."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)

    def spawn(self, pid: int, argv: list[str], limit_s: float) -> Any:
        text = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]

        class Process:
            def communicate(self, timeout_s: float, limit_bytes: int) -> tuple[bytes, bytes]:
                return text.encode(), b""

        return Process()


@pytest.fixture(scope="module")
def plan() -> Plan:
    routers = [Router(f"r{n}", routing="ospf", loopback=f"10.10.10.{n}/32") for n in (1, 2, 3)]
    core = Link(routers[0], routers[1])
    Link(routers[1], routers[2])
    for router in routers[:2]:
        router.mpls(core)
    return make_plan(routers)


PIDS = {"r1": 1, "r2": 2}


def test_neighbours_share_a_network_on_which_both_take_labels(plan: Plan) -> None:
    assert list(neighbours(plan)) == [("r1", "r2", "10.10.10.2"), ("r2", "r1", "10.10.10.1")]
    assert not list(neighbours(make_plan([Host("h1")])))


def test_only_who_is_told_counts() -> None:
    assert operational(said("10.10.10.2", state="INITIALIZED")) == set()
    assert operational("% Unknown command") == set()
    assert operational("{}") == set()
    # Of another vtysh, which root of the router has put there.
    for other in ("[]", "7", '{"neighbors": 7}', '{"neighbors": [[]]}', '{"neighbors": [{}]}'):
        assert operational(other) == set()


def test_they_are_waited_for(plan: Plan) -> None:
    agent: Any = Agent("", said("10.10.10.1"), said(*BOTH))
    wait_labels(agent, plan, PIDS, 20)
    assert agent.texts == [said(*BOTH)]


def test_who_never_hears_is_named(plan: Plan) -> None:
    agent: Any = Agent("")
    with pytest.raises(
        NotReady, match=r"r1 has not told r2 \(10\.10\.10\.2\) of its labels within"
    ):
        wait_labels(agent, plan, PIDS, 0)
