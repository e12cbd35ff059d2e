"""The congestion control of a host: a setting of its kernel, by a name that is known."""

from __future__ import annotations

from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.kernel.features import FEATURES
from playground.model.queues.congestion_control import (
    ALWAYS,
    CONGESTION_CONTROLS,
    SETTING,
    congestion_setting,
)
from playground.model.topology import Host, Router


@pytest.mark.parametrize("name", CONGESTION_CONTROLS)
def test_a_host_is_told_its_congestion_control(name: str) -> None:
    for node in (Host("h1", congestion_control=name), Router("r1", congestion_control=name)):
        assert node.own_sysctls == {SETTING: name}
    assert name == ALWAYS or FEATURES[name].module == f"tcp_{name}"


@pytest.mark.parametrize("wrong", ["tahoe", "", 3, ["reno"]])
def test_one_that_nobody_knows_is_refused(wrong: Any) -> None:
    with pytest.raises(TopologyError, match='is not known; use "reno", "cubic"'):
        congestion_setting("h1", wrong)
