"""What differs between two plans, for people."""

from __future__ import annotations

from playground import Host, Lab, Link, Router, Switch
from playground.planning.planner import make_plan


def test_what_comes_and_goes_and_nothing_that_follows_from_it() -> None:
    home, h1, r1 = Switch("home", subnet="10.5.0.0/24"), Host("h1"), Router("r1")
    Link(home, h1)
    link = Link(home, r1)
    before = make_plan([home])
    Link(home, Host("h3", services=["http"]))
    link.impair(delay_ms=5)
    link.down()
    r1.firewall.drop(port=99)
    after = make_plan([home], previous=before)
    diff = after.diff(before)
    said = [str(row) for row in diff.differences if row.kind != "rule"]
    assert said == [
        "+ h3 node host",
        "+ h3 service HTTP(files=None)",
        "+ h3 address 10.5.0.3/24 dev eth0",
        "+ link down home r1-eth0 - r1 eth0",
        "+ impairment home r1-eth0 - r1 eth0 toward home: delay_ms=5",
        "+ impairment home r1-eth0 - r1 eth0 toward r1: delay_ms=5",
        "+ link home h3-eth0 - h3 eth0",
    ]
    assert any("dport 99" in row.entry for row in diff.differences)
    back = before.diff(after)
    assert [(row.change, row.node, row.kind) for row in back.differences][-3:] == [
        ("-", "", "impairment"),
        ("-", "", "impairment"),
        ("-", "", "link"),
    ]
    assert len(back.differences) == len(diff.differences)


def test_no_difference_is_false_and_a_plan_alone_is_all_new() -> None:
    h1 = Host("h1")
    Link(h1, Host("h2"))
    plan = make_plan([h1])
    assert not plan.diff(plan)
    assert str(plan.diff(plan)) == repr(plan.diff(plan)) == "no difference"
    assert {row.change for row in plan.diff().differences} == {"+"}
    lab = Lab(h1, quiet=True)
    assert str(lab.plan().diff()) == str(plan.diff())
    # What it is compared with is no part of it.
    assert plan.beside(plan) == plan
    assert not plan.beside(plan).diff()
