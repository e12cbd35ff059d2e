"""Which paths lead out of a folder."""

from __future__ import annotations

from pathlib import Path

from playground.lab.formats.foreign.folder_paths import is_within


def test_what_lies_in_a_folder_is_within(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    (folder / "pc1").mkdir(parents=True)
    (folder / "other").symlink_to("pc1")
    (tmp_path / "link").symlink_to(folder)
    for path in (folder, folder / "pc1", folder / "other", folder / "none", tmp_path / "link/pc1"):
        assert is_within(folder, path) and is_within(tmp_path / "link", path)


def test_what_leads_out_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "root").symlink_to("/")
    (folder / "up").symlink_to("..")
    (folder / "round").symlink_to("round")
    (tmp_path / "lab2").mkdir()
    for path in ("root", "root/etc/passwd", "up", "../lab2", "..", "/etc", "round/x", "a\0b"):
        assert not is_within(folder, folder / path)
