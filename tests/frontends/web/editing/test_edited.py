"""What the panel edits says what it would do, whichever lab it is."""

from __future__ import annotations

from playground.frontends.web.editing.edited import Edited
from playground.frontends.web.editing.running_lab import RunningLab


def test_a_running_lab_is_one_that_can_be_edited() -> None:
    edited: type[Edited] = RunningLab
    assert edited.action == "Apply"
