"""Waiting for bonds: for those that are new and up, and not for ever."""

from __future__ import annotations

from typing import Any

import pytest

from playground.errors import NotReady
from playground.lab.links.bonds_ready import wait_for_bonds
from playground.operations.network import Bond, Host, Link
from playground.planning.plan import Plan
from playground.planning.planner import make_plan


class Answering:
    """An agent whose bonds use the links that it is told, one look after another."""

    def __init__(self, *looks: tuple[bool, bool]) -> None:
        self.looks = list(looks)

    def call(self, op: str, ends: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        assert op == "bonds"
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        rows = [{"interface": f"eth{n}", "active": active} for n, active in enumerate(look)]
        return [rows for _ in ends]


def bonded() -> Plan:
    h1, h2 = Host("h1"), Host("h2")
    Bond(Link(h1, h2), Link(h1, h2))
    return make_plan([h1])


def test_it_waits_until_all_links_are_used() -> None:
    plan = bonded()
    agent: Any = Answering((False, False), (True, False), (True, True))
    wait_for_bonds(agent, {"h1": 1, "h2": 2}, plan, plan.wires, 5)
    assert agent.looks == [(True, True)]


def test_it_says_which_link_is_not_used() -> None:
    plan = bonded()
    agent: Any = Answering((True, False))
    with pytest.raises(NotReady, match="h1's bond0 does not use eth1; h2's bond0 does not"):
        wait_for_bonds(agent, {"h1": 1, "h2": 2}, plan, plan.wires, 0.1)


def test_without_a_new_bond_nobody_is_asked() -> None:
    plan = bonded()
    agent: Any = None
    wait_for_bonds(agent, {}, plan, [wire for wire in plan.wires if wire.member], 5)
