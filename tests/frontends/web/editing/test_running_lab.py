"""A draft of a running lab: what it would change, and Apply, which writes the file too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import playground
from playground import Host, Lab, Link, NotRunning, PlaygroundError, Switch
from playground.frontends.web.editing import draft
from playground.frontends.web.editing.edited_file import EditedFile
from playground.frontends.web.editing.running_lab import RunningLab
from tests.support_agent import needs_root


def home() -> Switch:
    home = Switch("home")
    for name in ("h1", "h2"):
        Link(home, Host(name))
    return home


@pytest.fixture(scope="module")
def lab(namespaces_engine) -> Iterator[Lab]:
    with Lab(home(), name="edited", engine=namespaces_engine, quiet=True) as lab:
        yield lab


def test_a_lab_that_is_not_started_is_drawn_on_and_kept_as_a_file() -> None:
    edited = RunningLab(Lab(home(), name="asleep"))
    text = draft.with_node(edited.text(), "host", "h3", {})
    looked = edited.look(text)
    assert any("h3" in row for row in looked.rows) and not looked.can_apply
    assert "h3" in [card.name for card in looked.diagram.cards]
    assert edited.filename == "asleep.yaml"
    with pytest.raises(NotRunning, match="Download"):
        edited.apply(text, looked.base)


def test_a_lab_keeps_its_name_and_says_so() -> None:
    edited = RunningLab(Lab(home(), name="asleep"))
    assert edited.look(edited.text()).rows == ()
    (row,) = edited.look(edited.text().replace("name: asleep", "name: awake")).rows
    assert row.startswith("a lab keeps its name (asleep): to have another,")
    (row,) = edited.look(edited.text() + "strict: true\n").rows
    assert row.startswith("a lab keeps its strict")


@needs_root
def test_what_stands_in_the_file_after_apply_is_what_runs(lab: Lab, tmp_path: Path) -> None:
    file = EditedFile(tmp_path / "edited.yaml")
    edited = RunningLab(lab, file)
    text = draft.with_link(
        draft.with_node(edited.text(), "host", "h3", {}), "h3", "home", {"mtu": 1400}
    )
    looked = edited.look(text)
    assert looked.can_apply
    assert edited.apply(text, looked.base).endswith("and so is edited.yaml.")
    assert not lab.apply(playground.load(file.path), dry_run=True).differences
    assert lab.node("h3").ping("h1", count=1).received == 1
    # Another program writes the file: the lab is as the draft says, and that is told.
    file.path.write_text("else\n")
    fewer = draft.without_node(edited.text(), "h3")
    with pytest.raises(PlaygroundError, match=r"and its file is not.*by another program"):
        edited.apply(fewer, edited.look(fewer).base)
    assert "h3" not in lab


@needs_root
def test_a_card_that_another_drags_meanwhile_stays_there(lab: Lab) -> None:
    edited = RunningLab(lab)
    text = draft.with_position(edited.text(), "h1", (10, 20))
    looked = edited.look(text)
    assert looked.can_apply and "positions" in looked.rows[-1]
    lab.positions = {"h2": (7, 8)}
    edited.apply(text, looked.base)
    assert lab.positions == {"h1": (10, 20), "h2": (7, 8)}
