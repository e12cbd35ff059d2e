"""Files of environment variables."""

from pathlib import Path

import pytest

from playground.errors import TopologyError
from playground.lab.formats.foreign.env_files import read_env_file


def test_quotes_comments_and_export(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("# a\n\nexport A = 1 # one\nB=\"x # y\"\nC='$A'\nD=\nE=a=b\n")
    assert read_env_file(path) == {"A": "1", "B": "x # y", "C": "$A", "D": "", "E": "a=b"}


def test_a_line_that_sets_nothing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("A=1\n2=B\n")
    with pytest.raises(TopologyError, match=r"env:2: '2=B' sets no variable"):
        read_env_file(path)
