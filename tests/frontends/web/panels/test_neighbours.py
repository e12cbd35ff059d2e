"""Neighbours are asked of daemons only where there are any."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from playground import Host, Lab, Link, Router
from playground.frontends.web.panels import neighbours
from playground.frontends.web.panels.neighbours import _is_routing, _of_daemons
from playground.frontends.web.view import LabView
from playground.operations.diagnosis.evidence.adjacencies import Said
from playground.operations.diagnosis.evidence.rip_sources import RipSource


@pytest.mark.parametrize(
    ("routing", "asked"),
    [("static", False), (None, False), *((one, True) for one in ("ospf", "isis", "rip"))],
)
def test_a_router_with_daemons_is_asked(routing: str | None, asked: bool) -> None:
    r1, r2, h1 = Router("r1", routing=routing), Router("r2", routing=routing), Host("h1")
    Link(r1, r2), Link(r1, h1)
    plan = Lab(r1, name="asked").plan()
    view: Any = SimpleNamespace(lab=SimpleNamespace(running_plan=lambda: plan))
    assert _is_routing(cast("LabView", view), "r1") is asked
    assert not _is_routing(cast("LabView", view), "h1")


def test_what_daemons_say_of_one_router_is_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"r1": Said(rip_sources=(RipSource("10.0.0.2", "00:00:01", 0, 0),))}
    monkeypatch.setattr(neighbours, "ask_daemons", lambda agent, plans, pids: said)
    live = SimpleNamespace(agent=None, pid=7, plan=object())
    node: Any = SimpleNamespace(name="r1", running=lambda: live)
    assert [row["neighbour"] for row in _of_daemons(node)] == ["10.0.0.2"]
    live.plan = None  # it was attached to without one
    assert list(_of_daemons(node)) == []
