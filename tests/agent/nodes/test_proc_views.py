"""Views of /proc: fresh ones for many networks, the usual one for few, none left open."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from playground.agent.nodes import proc_views
from playground.agent.nodes.proc_views import FreshViews, settings_place


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _places(count: int) -> list[str]:
    with FreshViews() as views:
        return [settings_place() for _ in views.each(range(count))]


def test_few_networks_are_looked_at_in_the_usual_view() -> None:
    assert set(_places(10)) == {"/proc/sys"}


def test_many_networks_have_a_fresh_view_for_every_few() -> None:
    before, seen = _descriptors(), []
    with FreshViews() as views:
        for _ in views.each(range(100)):
            seen.append((settings_place(), os.stat(settings_place()).st_dev))
            hostname = Path(settings_place(), "kernel/hostname").read_text().strip()
            assert hostname == socket.gethostname()
        assert settings_place() == "/proc/sys"
        opened = _descriptors()
        again = [settings_place() for _ in views.each(range(100))]
    assert again == [place for place, _ in seen]
    assert len(seen) == 100
    if os.geteuid() == 0:
        assert opened == before + 4
        assert len({device for _, device in seen} - {os.stat("/proc/sys").st_dev}) == 4
    assert settings_place() == "/proc/sys"
    assert _descriptors() == before


def test_where_none_can_be_mounted_all_have_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise PermissionError("no")

    monkeypatch.setattr(proc_views, "_mounted", refused)
    assert set(_places(100)) == {"/proc/sys"}
