"""Small files of text, line by line."""

from pathlib import Path

import pytest

from playground.errors import TopologyError
from playground.lab.formats.foreign.text_files import lines_of


def test_each_line_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "r1.startup"
    path.write_bytes(b"ip link\r\n\0x\n")
    assert [(place.line, text) for place, text in lines_of(path)] == [
        (1, "ip link"),
        (2, "\ufffdx"),
        (3, ""),
    ]


def test_what_is_no_text_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "r1.startup"
    path.write_bytes(b"a\nb\xff\n")
    with pytest.raises(TopologyError, match=r"r1\.startup:2: this is no text in UTF-8"):
        lines_of(path)
