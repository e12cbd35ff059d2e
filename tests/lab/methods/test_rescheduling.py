"""What a lab does at its next start about machines that are gone.

`tests/engines/swarm/test_faults.py` has it with a swarm.

"""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from playground import Host, Lab, Link
from playground.errors import NodeDied
from playground.lab.methods.rescheduling import let_go_of_lost
from playground.planning.placement.shapes import Placement


class Swarm:
    """A line to the machines of a lab, and a manager: both know that some are gone."""

    def __init__(self, silent: list[str], lost: list[str], dead: list[str]) -> None:
        self._silent, self._lost, self._dead = silent, lost, dead

    def call(self, op: str, machines: list[str]) -> list[str]:
        assert op == "silent_machines"
        return [name for name in machines if name in self._silent]

    def pids(self, lab_id: str) -> dict[str, int]:
        return {name: 1 for name in ("h1", "h2", "h3") if name not in self._dead}

    def lost_machines(self) -> list[str]:
        return self._lost


def lab_on(swarm: Swarm) -> Any:
    """A lab of three hosts on three machines, as far as is asked of one."""
    h1, h2, h3 = (Host(name) for name in ("h1", "h2", "h3"))
    Link(h1, h2)
    Link(h2, h3)
    plan = Lab(h1, engine="namespaces").plan()
    places = (("h1", "m1"), ("h2", "m2"), ("h3", "m3"))
    state = SimpleNamespace(
        plan=dataclasses.replace(plan, placement=Placement(places)),
        reschedule=False,
        id="x",
        pids={"h1": 1, "h2": 1, "h3": 1},
        engine=swarm,
        agent=lambda: swarm,
    )
    return SimpleNamespace(_state=state)


def test_a_lab_whose_machines_answer_goes_on() -> None:
    let_go_of_lost(lab_on(Swarm([], [], [])))


def test_a_host_that_died_by_itself_is_no_lost_machine() -> None:
    let_go_of_lost(lab_on(Swarm([], ["m1"], ["h3"])))


@pytest.mark.parametrize(
    "swarm",
    [Swarm(["m3"], [], []), Swarm([], ["m3"], ["h3"])],
    ids=["does not answer", "is lost to the manager"],
)
def test_a_lost_machine_is_named_where_nothing_may_move(swarm: Swarm) -> None:
    with pytest.raises(NodeDied, match="h3 is dead: the machine m3 is gone, or cut off"):
        let_go_of_lost(lab_on(swarm))
