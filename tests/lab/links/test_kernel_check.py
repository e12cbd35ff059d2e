"""A lab whose kernel lacks something is refused with the module's name, before nodes are made."""

from __future__ import annotations

import pytest

from playground.agent.machines.sharing import lacking
from playground.errors import EngineError
from playground.lab.links.kernel_check import refuse_lacking


class Agent:
    """The line to an agent whose kernel has nothing."""

    def call(self, name: str, trials: list[tuple[str, str]]) -> list[str]:
        assert name == "kernel_lacks"
        return ["Unknown device type" for _ in trials]


def test_nobody_is_asked_where_nothing_is_needed() -> None:
    refuse_lacking(None, {})


def test_what_is_missing_is_named_with_what_to_do() -> None:
    with pytest.raises(EngineError, match=r"r1's VRF .* no vrf \(CONFIG_NET_VRF\).*modprobe vrf"):
        refuse_lacking(Agent(), {"vrf": ["r1's VRF blue"]})


class AgentOfMachines:
    """The line to several machines, two of which have no bonds."""

    def call(self, name: str, trials: list[tuple[str, str]]) -> list[dict[str, object] | None]:
        answers = {"m1": [None, None], "m3": [None, "?"], "m2": [None, "Unknown device type"]}
        return lacking(answers)


def test_of_several_machines_those_are_named_that_lack_it() -> None:
    agent = AgentOfMachines()
    with pytest.raises(EngineError) as caught:
        refuse_lacking(agent, {"vrf": ["r1's VRF blue"], "bond": ["bond0 of r1"]})
    assert "for the kernels of the machines m2, m3 have no bonding" in str(caught.value)
    assert "VRF" not in str(caught.value)
