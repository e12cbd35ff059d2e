"""Builds at one engine take turns."""

from __future__ import annotations

import threading
from pathlib import Path

from playground.engines.docker.build_turns import build_turn


def test_a_build_waits_until_the_one_before_has_ended(tmp_path: Path) -> None:
    socket = str(tmp_path / "docker.sock")
    notes: list[str] = []
    waits, done = threading.Event(), threading.Event()

    def note(text: str) -> None:
        notes.append(text)
        waits.set()

    def build() -> None:
        with build_turn(socket, note):
            done.set()

    second = threading.Thread(target=build)
    with build_turn(socket, notes.append):
        assert notes == []
        second.start()
        assert waits.wait(10)
        assert not done.is_set()
    assert done.wait(10)
    second.join()
    assert set(notes) == {"waits for another build at this engine"}
    assert list(tmp_path.iterdir()) == []


def test_builds_at_two_engines_do_not_wait(tmp_path: Path) -> None:
    notes: list[str] = []
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    with build_turn(str(folders[0] / "s"), notes.append):
        with build_turn(str(folders[1] / "s"), notes.append), build_turn(None, notes.append):
            pass
        with build_turn(str(tmp_path / "not" / "there"), notes.append):
            pass
    assert notes == []
