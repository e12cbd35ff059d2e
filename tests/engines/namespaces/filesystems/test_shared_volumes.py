"""Volumes that hosts share, on bare namespaces: filled once, with what an image has there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from playground.engines.namespaces.filesystems import shared_volumes
from playground.engines.namespaces.filesystems.shared_volumes import Filling, shared_source


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shared_volumes, "_PLACE", str(tmp_path / "shared"))
    folder = Path(shared_source("data"))
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    (folder / "sub").mkdir(parents=True, mode=0o750)
    (folder / "sub" / "file").write_text("text")
    (folder / "sub" / "file").chmod(0o4751)
    (folder / "link").symlink_to("/etc/shadow")
    os.mkfifo(folder / "pipe")
    folder.chmod(0o1777)
    return folder


def test_an_empty_volume_gets_what_the_image_has(volume: Path, image: Path) -> None:
    Filling("data").fill(str(image), str(volume))
    assert (volume / "sub" / "file").read_text() == "text"
    assert stat.S_IMODE((volume / "sub" / "file").stat().st_mode) == 0o4751
    assert stat.S_IMODE((volume / "sub").stat().st_mode) == stat.S_IMODE(
        (image / "sub").stat().st_mode
    )
    assert stat.S_IMODE(volume.stat().st_mode) == 0o1777
    assert os.readlink(volume / "link") == "/etc/shadow"
    assert sorted(path.name for path in volume.iterdir()) == ["link", "sub"]  # no pipe


def test_one_that_holds_something_stays_as_it_is(volume: Path, image: Path) -> None:
    (volume / "mine").write_text("first")
    Filling("data").fill(str(image), str(volume))
    assert [path.name for path in volume.iterdir()] == ["mine"]


class _Neighbour:
    """A host that shares the volume: it puts a link where a folder has just been made."""

    def __init__(self, volume: Path, victim: Path) -> None:
        self._volume, self._victim = volume, victim
        self._mkdir = os.mkdir

    def mkdir(self, path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        self._mkdir(path, mode, dir_fd=dir_fd)
        (self._volume / "sub").rmdir()
        (self._volume / "sub").symlink_to(self._victim)


def test_a_link_that_a_neighbour_puts_there_leads_nowhere(
    volume: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    monkeypatch.setattr(os, "mkdir", _Neighbour(volume, victim).mkdir)
    Filling("data").fill(str(image), str(volume))
    assert [*victim.iterdir()] == []
    assert stat.S_IMODE(victim.stat().st_mode) == 0o700
    assert os.readlink(volume / "link") == "/etc/shadow"  # the rest is copied


def test_what_a_neighbour_has_made_meanwhile_stays(
    volume: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listdir = os.listdir
    victim = tmp_path / "victim"
    victim.write_text("mine")

    def listed(path: str | int) -> list[str]:
        found = listdir(path)
        if not found:  # the volume, looked at before all
            (volume / "sub").mkdir()
            (volume / "sub" / "file").symlink_to(victim)
            (volume / "link").write_text("theirs")
        return found

    monkeypatch.setattr(os, "listdir", listed)
    Filling("data").fill(str(image), str(volume))
    assert victim.read_text() == "mine"
    assert os.readlink(volume / "sub" / "file") == str(victim)
    assert (volume / "link").read_text() == "theirs"


def test_files_of_the_kernel_fill_nothing(volume: Path) -> None:
    Filling("data").fill("/proc/sys", str(volume))
    assert not [*volume.iterdir()]
