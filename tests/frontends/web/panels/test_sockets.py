"""Sockets that wait, and what runs, as rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from playground.frontends.web.panels import sockets
from playground.frontends.web.view import LabView
from tests.frontends.web.panels.panel_stubs import StubView


def test_a_socket_has_the_program_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    listening = SimpleNamespace(protocol="tcp", address="::", port=80, program="nginx", uid=0)
    state = SimpleNamespace(sockets=(listening,))

    def read_states(agent: Any, pids: dict[str, int], *, with_connections: bool) -> Any:
        assert (pids, with_connections) == ({"www": 7}, False)  # which may be very many
        return {"www": state}

    monkeypatch.setattr(sockets, "read_states", read_states)
    node: Any = SimpleNamespace(name="www", running=lambda: SimpleNamespace(agent=None, pid=7))
    [row] = sockets._waiting(node)
    assert [row[name] for name in sockets._COLUMNS] == ["tcp", "::", 80, "nginx"]


def test_a_switch_has_none() -> None:
    assert not sockets.fits(cast("LabView", StubView()), "switch")
