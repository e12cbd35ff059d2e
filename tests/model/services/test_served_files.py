"""Files that a service serves from a folder, into which a host may have put what it likes."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from playground.errors import TopologyError
from playground.model.services.served_files import folder_contents


def test_a_folder_gives_its_files_by_name_in_order(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "b.html").write_text("b")
    (tmp_path / "z.html").write_text("z")
    assert [*folder_contents(tmp_path)] == [("z.html", b"z"), ("docs/b.html", b"b")]


def test_a_link_within_the_folder_counts_as_its_file(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "index.html").symlink_to("docs/a.html")
    (tmp_path / "docs" / "a.html").write_text("a")
    assert dict(folder_contents(tmp_path)) == {"index.html": b"a", "docs/a.html": b"a"}


@pytest.mark.parametrize("way", ["/etc/passwd", "../secret", "docs/../../secret"])
def test_a_link_that_leads_out_is_refused(tmp_path: Path, way: str) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "site" / "docs").mkdir(parents=True)
    (tmp_path / "site" / "s").symlink_to(way)
    with pytest.raises(TopologyError, match=r"s is a link that leads out of .*site"):
        dict(folder_contents(tmp_path / "site"))


def test_what_is_no_file_is_left_out_and_waited_for_by_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to-nowhere").symlink_to("nothing")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        assert dict(folder_contents(tmp_path)) == {}
