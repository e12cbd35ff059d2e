"""Loops, and the failure of a link."""

from __future__ import annotations

import pytest

from playground import CheckFailed, Host, Lab, Link
from playground.errors import BadArgument


def test_another_way_is_found_and_the_link_is_put_back(lab: Lab) -> None:
    link = lab.link("r1", "r2")
    assert lab.check.survives(link, "h1", "www") >= 0
    assert not link.is_down
    only = lab.link("r2", "www")
    with pytest.raises(CheckFailed, match=r"^Without Link.*should arrive and be answered"):
        lab.check.survives(only, "h1", "www", within_s=0.2)
    assert not only.is_down
    lab.check.reaches("h1", "www", within_s=30)


def test_a_loop_is_named(lab: Lab) -> None:
    assert lab.check.does_not_loop("h1", "www").ok
    r1, r2 = lab.node("r1"), lab.node("r2")
    r1.run(["ip", "route", "add", "203.0.113.0/24", "via", _at(lab, "r2", "r1")])
    r2.run(["ip", "route", "add", "203.0.113.0/24", "via", _at(lab, "r1", "r2")])
    try:
        with pytest.raises(CheckFailed, match=r"should go round in no circle, and comes to r[12]"):
            lab.check.does_not_loop("h1", "203.0.113.7", within_s=0)
    finally:
        for node in (r1, r2):
            node.run(["ip", "route", "del", "203.0.113.0/24"])


def _at(lab: Lab, node: str, other: str) -> str:
    """Return a router's address on its link to another."""
    for wire in lab.running_plan().wires:
        if {wire.a.node, wire.b.node} == {node, other}:
            end = wire.a if wire.a.node == node else wire.b
            return str(lab.node(node).interfaces[end.interface].addresses[0].ip)
    raise LookupError(other)


def test_a_link_of_no_lab_and_one_that_is_down_are_refused(lab: Lab) -> None:
    with pytest.raises(BadArgument, match="is no link of lab checking: keep the Link"):
        lab.check.survives(Link(Host("a"), Host("b")), "h1", "www")
    link = lab.link("r1", "r3")
    link.down()
    try:
        with pytest.raises(BadArgument, match="is down already: plug it in first"):
            lab.check.survives(link, "h1", "www")
    finally:
        link.up()
