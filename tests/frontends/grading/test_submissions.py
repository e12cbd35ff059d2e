"""Submissions are found, and packed without a look inside."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from playground.errors import BadArgument, PlaygroundError
from playground.frontends.grading import submissions
from playground.frontends.grading.submissions import digest, find_submissions, pack


def one(path: Path) -> submissions.Submission:
    return next(item for item in find_submissions(path.parent) if item.path == path)


def names(packed: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return {entry.name: entry.type for entry in archive}


def test_each_kind_is_a_student_by_its_name(tmp_path: Path) -> None:
    for folder in ("anna", "git.git/objects", "__pycache__", ".hidden"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("bob.zip", "carl.py", "dora.yaml", "git.git/HEAD", "README.md"):
        (tmp_path / file).write_text("")
    found = {item.student: item.kind for item in find_submissions(tmp_path)}
    assert found == {"anna": "folder", "bob": "zip", "carl": "file", "dora": "file", "git": "git"}


def test_two_of_one_student_are_refused(tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna.py").write_text("")
    with pytest.raises(BadArgument, match="both of anna"):
        find_submissions(tmp_path)


def test_no_submissions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match="no submissions"):
        find_submissions(tmp_path)


def test_links_stay_links_and_pipes_stay_away(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("points")
    folder = tmp_path / "class" / "anna"
    folder.mkdir(parents=True)
    (folder / "lab.py").write_text("x = 1")
    (folder / "stolen.txt").symlink_to(secret)
    os.mkfifo(folder / "pipe")
    packed = pack(one(folder))
    assert names(packed) == {"lab.py": tarfile.REGTYPE, "stolen.txt": tarfile.SYMTYPE}
    assert b"points" not in packed


def test_a_submission_that_is_a_link_is_none(tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    (tmp_path / "bob.py").symlink_to(tmp_path / "anna")
    with pytest.raises(PlaygroundError, match="a link to somewhere else"):
        pack(one(tmp_path / "bob.py"))


def test_names_of_bytes_are_packed(tmp_path: Path) -> None:
    folder = tmp_path / "anna"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\n\x1b.py")).write_text("x")
    assert [os.fsencode(name) for name in names(pack(one(folder)))] == [b"\xff\n\x1b.py"]


def test_the_same_content_has_the_same_digest(tmp_path: Path) -> None:
    for name in ("anna", "bob"):
        (tmp_path / name / "site").mkdir(parents=True)
        (tmp_path / name / "lab.py").write_text("x = 1")
    os.utime(tmp_path / "bob" / "lab.py", (0, 0))
    first, second = (digest(pack(one(tmp_path / name))) for name in ("anna", "bob"))
    assert first == second
    (tmp_path / "bob" / "lab.py").write_text("x = 2")
    assert digest(pack(one(tmp_path / "bob"))) != first


@pytest.mark.parametrize(
    ("limit", "value", "says"),
    [("MOST_BYTES", 3, "more than 0 MB"), ("MOST_FILES", 1, "more than 1 files")],
)
def test_what_is_too_large_is_told(tmp_path: Path, monkeypatch, limit, value, says) -> None:
    folder = tmp_path / "anna"
    folder.mkdir()
    for name in ("a.py", "b.py"):
        (folder / name).write_text("xxxx")
    monkeypatch.setattr(submissions, limit, value)
    with pytest.raises(PlaygroundError, match=says):
        pack(one(folder))


def test_folders_in_folders_end(tmp_path: Path) -> None:
    deep = tmp_path / "anna"
    for _ in range(submissions.MOST_DEPTH + 3):
        deep = deep / "d"
    deep.mkdir(parents=True)
    with pytest.raises(PlaygroundError, match="deep"):
        pack(one(tmp_path / "anna"))
