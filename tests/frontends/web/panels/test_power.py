"""The panel of power says whether a node runs, and offers what can be done then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from playground.frontends.web.panels import power
from playground.frontends.web.view import LabView
from tests.frontends.web.panels.panel_stubs import StubView, enabled, slot, texts

OFF = {"Start": False, "Stop": False, "Restart": False}


@pytest.mark.parametrize(
    ("may_change", "runs", "offered"),
    [
        (True, True, {"Start": False, "Stop": True, "Restart": True}),
        (True, False, {"Start": True, "Stop": False, "Restart": False}),
        (False, True, OFF),
        (False, False, OFF),
    ],
)
def test_what_is_offered_is_what_can_be_done(
    may_change: bool, runs: bool, offered: dict[str, bool]
) -> None:
    node: Any = SimpleNamespace(name="h1", is_running=not runs, stop=None, restart=None)
    view = StubView(node, may_change=may_change)
    with slot() as client:
        power.build(cast("LabView", view), "h1")
        node.is_running = runs
        view.look()
        assert enabled(client) == offered
        assert ("h1 runs." if runs else "h1 is stopped.") in texts(client)


def test_a_switch_has_none() -> None:
    assert not power.fits(cast("LabView", StubView()), "switch")
