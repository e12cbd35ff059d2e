"""Files of the user's: written whole, with the mode that they had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from playground.engines.whole_files import write_whole


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_file_keeps_its_mode_and_a_new_one_has_that_of_the_umask(tmp_path: Path) -> None:
    old, new, plain = tmp_path / "old", tmp_path / "new", tmp_path / "plain"
    old.write_text("before")
    old.chmod(0o600)
    plain.write_text("what the umask leaves")
    write_whole(old, "after")
    write_whole(new, "é")
    assert (old.read_text(), _mode(old)) == ("after", 0o600)
    assert (new.read_text(encoding="utf-8"), _mode(new)) == ("é", _mode(plain))
    write_whole(new, "secret", mode=0o600)
    write_whole(tmp_path / "closed", "secret", new_mode=0o600)
    assert _mode(new) == _mode(tmp_path / "closed") == 0o600
    assert {one.name for one in tmp_path.iterdir()} == {"old", "new", "plain", "closed"}


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    link = tmp_path / "lab.yaml"
    link.symlink_to(kept / "mine.yaml")
    for text in ("new", "newer"):
        write_whole(link, text)
        assert link.is_symlink() and (kept / "mine.yaml").read_text() == text


def test_a_file_that_cannot_be_written_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_whole(tmp_path / "folder", "text")
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\udc80")
    assert path.read_text() == "before"
    assert {one.name for one in tmp_path.iterdir()} == {"folder", "file"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_leaves_a_file_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    os.chown(path, 12345, 12345)
    write_whole(path, "after")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12345)
