"""The folder in which snapshots are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from playground.errors import BadArgument, UnknownName
from playground.lab.life import snapshot_store


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "playground" / "snapshots"


def make(name: str, text: str, lab_id: str = "lab-1") -> None:
    with snapshot_store.making(lab_id, name) as (folder, said):
        said["text"] = text
        (folder / "h1.tar").write_text(text)


def test_a_snapshot_is_found_and_replaced_by_a_later_one(state_home: Path) -> None:
    make("before", "one")
    make("later", "two")
    make("before", "three")
    assert snapshot_store.names("lab-1") == ["later", "before"]
    folder, said = snapshot_store.find("lab-1", "before")
    assert said == {"text": "three"}
    assert (folder / "h1.tar").read_text() == "three"
    there = {path.name for path in (state_home / "lab-1").iterdir()}
    assert there == {"before", "later", ".machine"}
    assert (folder.stat().st_mode & 0o777, (folder / "lab.json").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )


def test_one_that_fails_leaves_the_older_one(state_home: Path) -> None:
    make("before", "one")
    with pytest.raises(RuntimeError), snapshot_store.making("lab-1", "before") as (folder, _):
        (folder / "h1.tar").write_text("half")
        raise RuntimeError
    assert snapshot_store.find("lab-1", "before")[1] == {"text": "one"}
    assert {path.name for path in (state_home / "lab-1").iterdir()} == {"before", ".machine"}


def test_a_name_that_is_no_word_leads_nowhere() -> None:
    for name in ("", "../x", "a/b", ".hidden", "x" * 65, 7, None):
        with pytest.raises(BadArgument, match="is no name for a snapshot"):
            snapshot_store.check_snapshot_name(name)
    for lab_id in ("../x", "", "a/b"):
        with pytest.raises(BadArgument, match="is no id of a lab"):
            snapshot_store.names(lab_id)
    with pytest.raises(UnknownName, match="there is no snapshot 'later' of this lab; it has none"):
        snapshot_store.find("lab-1", "later")


def test_they_go_with_their_labs(state_home: Path) -> None:
    for lab_id in ("lab-1", "lab-2", "lab-3"):
        make("before", "one", lab_id)
    snapshot_store.forget("lab-1")
    os.utime(state_home / "lab-2", (0, 0))
    os.utime(state_home / "lab-3", (0, 0))
    snapshot_store.forget_others({"lab-3"})
    assert [path.name for path in state_home.iterdir()] == ["lab-3"]


def test_those_of_another_machine_with_this_home_stay(
    state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("before", "one", "lab-1")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "another")
        make("before", "one", "lab-2")
    for name in ("lab-1", "lab-2"):
        os.utime(state_home / name, (0, 0))
    snapshot_store.forget_others(())
    assert [path.name for path in state_home.iterdir()] == ["lab-2"]


def test_a_folder_that_cannot_be_made_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(BadArgument, match="set XDG_STATE_HOME to a folder"):
        make("before", "one")
