"""VRFs of a router that runs are known by their names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from playground.errors import BadArgument
from playground.operations.connection.vrfs import check_vrf, table_of
from playground.planning.plan_parts import VrfPlan


def running(*vrfs: VrfPlan) -> Any:
    live = SimpleNamespace(plan=SimpleNamespace(vrfs=vrfs))
    return SimpleNamespace(name="pe", running=lambda: live)


def test_a_vrf_of_the_node_is_known_by_its_name() -> None:
    pe = running(VrfPlan("blue", 1001))
    assert (check_vrf(pe, "blue"), table_of(pe, "blue")) == ("blue", 1001)
    assert (check_vrf(pe, None), table_of(pe, None)) == (None, None)


@pytest.mark.parametrize("vrf", ["red", "", 7, ["blue"]])
def test_others_are_refused_with_those_that_it_has(vrf: object) -> None:
    with pytest.raises(BadArgument, match=r"pe has no VRF .* \(it has: blue\)"):
        check_vrf(running(VrfPlan("blue", 1001)), vrf)
