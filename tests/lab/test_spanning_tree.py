"""When switches have agreed on a tree, told from what their kernels say."""

from __future__ import annotations

from typing import Any

from playground.lab.spanning_tree import unsettled
from playground.operations.network import Host, Link, Switch
from playground.planning.plan import Plan
from playground.planning.planner import make_plan

LOW, HIGH = "1000020000000001", "2000020000000002"


def _pair() -> tuple[Plan, Link]:
    a, b = Switch("a", stp=True), Switch("b", stp=True)
    Link(a, Host("h1"))
    trunk = Link(a, b)
    return make_plan([a]), trunk


def _row(device: str, own: str, root: str, state: str = "forwarding") -> dict[str, Any]:
    port = {"port": f"{device}-port", "state": state, "carrier": True}
    return {"device": device, "id": own, "root": root, "ports": [port]}


def test_all_is_settled_where_everybody_knows_the_lowest_for_the_root() -> None:
    plan, _ = _pair()
    assert unsettled(plan, [_row("a", LOW, LOW), _row("b", HIGH, LOW)]) == []
    assert unsettled(plan, [_row("a", LOW, LOW), _row("b", HIGH, HIGH)]) == [
        "b does not know that a is the root"
    ]


def test_a_blocked_port_is_settled_and_a_listening_one_is_not() -> None:
    plan, _ = _pair()
    assert unsettled(plan, [_row("a", LOW, LOW), _row("b", HIGH, LOW, "blocking")]) == []
    assert unsettled(plan, [_row("a", LOW, LOW), _row("b", HIGH, LOW, "listening")]) == [
        "b's port b-port is listening"
    ]


def test_switches_that_are_cut_off_have_a_root_of_their_own() -> None:
    _, trunk = _pair()
    trunk.down()
    plan = make_plan([trunk.ends[0].node])
    assert unsettled(plan, [_row("a", LOW, LOW), _row("b", HIGH, HIGH)]) == []
    assert unsettled(plan, [_row("a", LOW, LOW), _row("b", HIGH, LOW)]) == [
        "b does not know that b is the root"
    ]
