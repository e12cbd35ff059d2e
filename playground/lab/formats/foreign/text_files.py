"""Small files of text, line by line."""

from __future__ import annotations

import re
from pathlib import Path

from playground.errors import TopologyError
from playground.lab.declarations.shapes import FilePlace
from playground.lab.files.bounded_files import read_bounded

_MOST_BYTES = 2**20


def lines_of(path: Path) -> list[tuple[FilePlace, str]]:
    """Return the lines of a small file of text, each with its place."""
    try:
        text = read_bounded(path, _MOST_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise TopologyError(f"{path}:{line}: this is no text in UTF-8") from error
    return [
        (FilePlace(path, number), line.replace("\0", "\ufffd"))
        for number, line in enumerate(re.split(r"\r?\n", text), 1)
    ]
