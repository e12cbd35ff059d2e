"""Folders of a host, as its find lists them; names may be anything but a NUL and a slash."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from playground.errors import TransferFailed
from playground.frontends.web.content import folder_listing
from playground.frontends.web.content.folder_listing import (
    MOST_FILES,
    folder_above,
    is_text,
    read,
    time_words,
    upload_name,
)


def test_a_folder_is_read_with_names_of_any_kind(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "<img onerror=x>\n").write_text("four")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")).write_text("")
    (tmp_path / "away").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    printed = subprocess.run(
        folder_listing.command(str(tmp_path)), capture_output=True, check=True
    ).stdout
    found, more = read(printed)
    assert not more
    by_name = {one.name: one for one in found}
    assert found[0].kind == "folder"
    assert found[0].path_in("/tmp") == "/tmp/sub"
    assert by_name["<img onerror=x>\n"].size_bytes == 4
    assert by_name["caf\udce9"].kind == "file"
    assert (by_name["away"].kind, by_name["away"].target) == ("link", "/etc/passwd")
    assert by_name["pipe"].kind == "pipe"


def test_a_thousand_files_are_shown_of_more() -> None:
    printed = b"".join(b"f\x001\x002.0\0-rw\0root\0name%d\0\0" % n for n in range(MOST_FILES + 1))
    found, more = read(printed)
    assert (len(found), more) == (MOST_FILES, True)


@pytest.mark.parametrize("printed", [b"no find of GNU", b"f\0big\0when\0-\0root\0name\0\0"])
def test_what_another_find_prints_is_refused(printed: bytes) -> None:
    with pytest.raises(TransferFailed, match="cannot be listed"):
        read(printed)


def test_an_empty_folder() -> None:
    assert read(b"") == ([], False)


def test_the_folder_above() -> None:
    assert [folder_above(path) for path in ("/a/b/", "/a", "/", "/a/../b")] == ["/a", "/", "/", "/"]


def test_a_file_that_is_sent_has_a_name_and_no_folder() -> None:
    assert upload_name("a/b/../notes.txt") == "notes.txt"
    for bad in ("", "..", "a/", "x" * 300, "a\0b"):
        with pytest.raises(TransferFailed, match="is no name of a file"):
            upload_name(bad)


def test_text_and_other_bytes() -> None:
    assert is_text(b"")
    assert is_text("grüße".encode()[:-2])
    assert not is_text(b"\xff\xfe\xff\xfe")
    assert not is_text(b"a\0b")


@pytest.mark.parametrize("time_s", [3e14, -3e14, 1e30, float("nan"), float("inf")])
def test_a_time_that_is_none_hides_no_folder(time_s: float) -> None:
    assert time_words(time_s) == "?"
