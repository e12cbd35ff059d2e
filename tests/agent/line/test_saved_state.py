"""The text that a helper keeps for a client that comes later."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from playground.agent.line import saved_state


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "run" / "state.json"
    monkeypatch.setattr(saved_state, "STATE_PATH", str(path))
    return path


def test_nothing_was_kept_yet(place: Path) -> None:
    assert saved_state.state_load() is None


def test_the_last_text_is_kept_for_root_alone(place: Path) -> None:
    saved_state.state_save("first, and longer")
    saved_state.state_save("second")
    assert saved_state.state_load() == "second"
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_who_loads_a_text_waits_for_the_one_that_is_announced(place: Path) -> None:
    saved_state.state_save("before")
    saved_state.state_changes()
    saving = threading.Timer(0.05, saved_state.state_save, ("after",))
    saving.start()
    assert saved_state.state_load(wait_s=20) == "after"
    saving.join()


def test_a_text_that_is_announced_and_never_comes_is_not_waited_for_long(place: Path) -> None:
    saved_state.state_save("before")
    saved_state.state_changes()
    begin = time.monotonic()
    assert saved_state.state_load(wait_s=0.05) == "before"
    assert time.monotonic() - begin >= 0.05


def test_the_stamp_tells_whether_another_text_was_saved(place: Path) -> None:
    assert saved_state.state_stamp() == ""
    saved_state.state_save("one")
    first = saved_state.state_stamp()
    assert saved_state.state_stamp() == first
    saved_state.state_save("two")
    assert saved_state.state_stamp() not in ("", first)
