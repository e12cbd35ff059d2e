"""Neighbours of OSPF and BGP that should be up, or not."""

from __future__ import annotations

import pytest

from playground import CheckFailed, Lab, Link, Router
from playground.engines.seam import Engine
from playground.errors import BadArgument


def test_neighbours_of_ospf_by_name_and_by_id(lab: Lab) -> None:
    assert lab.check.neighbours("r1", "r2") == "Full"
    assert lab.check.neighbours(lab.node("r1"), "10.9.0.2", "ospf") == "Full"
    assert lab.check.neighbours("r1", "10.9.0.77", up=False, within_s=0) == ""
    with pytest.raises(CheckFailed, match=r"r2 should not be a neighbour of r1 in ospf, and is"):
        lab.check.neighbours("r1", "r2", up=False, within_s=0)
    with pytest.raises(BadArgument, match="'rip' is no protocol of neighbours: ospf, ospf6, bgp"):
        lab.check.neighbours("r1", "r2", "rip")


def test_a_session_of_bgp_that_is_down_is_explained(namespaces_engine: Engine) -> None:
    r1 = Router("r1", routing="bgp", as_number=65001)
    r2 = Router("r2", routing="bgp", as_number=65002)
    link = Link(r1, r2)
    with Lab(r1, quiet=True, engine=namespaces_engine) as lab:
        assert lab.check.neighbours(r1, r2, "bgp") == "Established"
        assert lab.check.neighbours(r1, str(r2.address), "bgp") == "Established"
        link.down()
        with pytest.raises(CheckFailed, match=r"r2 should be a neighbour of r1 in bgp, and is not"):
            lab.check.neighbours(r1, r2, "bgp", within_s=0)
