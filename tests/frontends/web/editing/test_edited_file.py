"""A lab's file is written with its comments, and never over what another has written."""

from __future__ import annotations

from pathlib import Path

import pytest

import playground
from playground import Host, Lab, Link, PlaygroundError
from playground.frontends.web.editing.edited_file import EditedFile


def lab(*names: str) -> Lab:
    first, *others = [Host(name) for name in names]
    for other in others:
        Link(first, other)
    return Lab(first, name="filed", keep=True)


def test_a_lab_is_written_down_and_read_back(tmp_path: Path) -> None:
    file = EditedFile(tmp_path / "filed.yaml")
    assert file.text == ""
    file.write_lab(lab("a", "b"))
    there = playground.load(file.path)
    assert [node.name for node in there.nodes] == ["a", "b"] and there.name == "filed"
    assert file.text == file.path.read_text()
    assert file.path.stat().st_mode & 0o077 == 0, "users and their passwords may come into it"


def test_comments_and_users_stay_and_what_only_a_running_lab_says_does_not_come(
    tmp_path: Path,
) -> None:
    path = tmp_path / "filed.yaml"
    path.write_text("playground: 1\nusers: {eve: secret42}\nnodes:\n  a:  # mine\nlinks: []\n")
    file = EditedFile(path)
    file.write_lab(lab("a", "b"))
    assert "# mine" in file.text and "secret42" in file.text and "b:" in file.text
    assert "keep" not in file.text and "name" not in file.text


def test_what_another_program_has_written_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    file = EditedFile(path)
    path.write_text("another\n")
    with pytest.raises(PlaygroundError, match="written by another program since"):
        file.write("mine\n")
    assert path.read_text() == "another\n"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlaygroundError, match="cannot be read"):
        EditedFile(tmp_path)
