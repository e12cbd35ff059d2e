"""Files of others: read to a limit, and never waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from playground.errors import TopologyError
from playground.lab.files.bounded_files import read_bounded


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert read_bounded(path, 3) == b"abc"
    with pytest.raises(TopologyError, match="more than 2 bytes: is it another file"):
        read_bounded(path, 2)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(TopologyError, match="it is no regular file"):
            read_bounded(path, 10)
    for name, reason in (
        (".", "Is a directory"),
        ("none", "No such file"),
        ("x" * 300, "too long"),
        ("a\0b", "null"),
    ):
        with pytest.raises(TopologyError, match=f"cannot be read: .*{reason}"):
            read_bounded(tmp_path / name, 10)
