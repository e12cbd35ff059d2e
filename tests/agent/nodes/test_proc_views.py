"""Views of /proc: fresh ones for many networks, the usual one for few, none left open."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from playground.agent.nodes import proc_views
from playground.agent.nodes.proc_views import settings_place, with_fresh_views


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_few_networks_are_looked_at_in_the_usual_view() -> None:
    assert {settings_place() for _ in with_fresh_views(range(10))} == {"/proc/sys"}


def test_many_networks_have_a_fresh_view_for_every_few() -> None:
    before, views = _descriptors(), []
    for _ in with_fresh_views(range(100)):
        views.append((settings_place(), os.stat(settings_place()).st_dev))
        hostname = Path(settings_place(), "kernel/hostname").read_text().strip()
        assert hostname == socket.gethostname()
        assert _descriptors() <= before + 1
    assert len(views) == 100
    if os.geteuid() == 0:
        assert all(place.startswith("/proc/self/fd/") for place, _ in views)
        assert os.stat("/proc/sys").st_dev not in {device for _, device in views}
    assert settings_place() == "/proc/sys"
    assert _descriptors() == before


def test_where_none_can_be_mounted_all_have_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise PermissionError("no")

    monkeypatch.setattr(proc_views, "_mounted", refused)
    assert {settings_place() for _ in with_fresh_views(range(100))} == {"/proc/sys"}
