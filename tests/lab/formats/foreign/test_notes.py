"""Notes of what a lab does not do: a warning, or an error."""

from pathlib import Path

import pytest

from playground.errors import LabWarning, TopologyError
from playground.lab.declarations.shapes import FilePlace
from playground.lab.formats.foreign.notes import Notes


def test_all_notes_are_one_warning_and_each_is_said_once() -> None:
    notes = Notes(Path("lab.conf"))
    for _ in range(2):
        notes.add(FilePlace("lab.conf", 3), "h1[mem] is not done")
    with pytest.warns(LabWarning, match="^lab.conf has what a lab does not do:\nlab.conf:3: h1"):
        notes.tell(strict=False)


def test_who_is_strict_gets_an_error_and_nobody_is_told_of_nothing() -> None:
    notes = Notes(Path("lab.conf"))
    notes.tell(strict=True)
    notes.add(FilePlace("lab.conf", 3), "h1[mem] is not done")
    with pytest.raises(TopologyError, match=r"lab\.conf:3"):
        notes.tell(strict=True)
