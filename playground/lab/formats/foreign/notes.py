"""Notes of what a reader found in another tool's file and a lab does not do."""

from __future__ import annotations

import warnings
from pathlib import Path

from playground.errors import LabWarning, TopologyError
from playground.lab.declarations.shapes import FilePlace
from playground.lab.state import callers_level


class Notes:
    """What a file says that a lab does not do, each with its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []

    def add(self, place: FilePlace, what: str) -> None:
        """Note one thing, in a sentence; what was noted already is not said again."""
        line = f"{place}: {what}"
        if line not in self.lines:
            self.lines.append(line)

    def tell(self, strict: bool) -> None:
        """Tell of all: a `LabWarning`, or with ``strict`` a `TopologyError`, before anything is."""
        if not self.lines:
            return
        text = f"{self.path} has what a lab does not do:\n" + "\n".join(self.lines)
        if strict:
            raise TopologyError(text)
        warnings.warn(text, LabWarning, stacklevel=callers_level())
