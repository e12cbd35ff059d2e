"""The text that a helper keeps for a client that comes later."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.agent.line import kept_text


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "run" / "state.json"
    monkeypatch.setattr(kept_text, "STATE_PATH", str(path))
    return path


def test_nothing_was_kept_yet(place: Path) -> None:
    assert kept_text.state_load() is None


def test_the_last_text_is_kept_for_root_alone(place: Path) -> None:
    kept_text.state_save("first, and longer")
    kept_text.state_save("second")
    assert kept_text.state_load() == "second"
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in place.parent.iterdir()] == [place.name]
