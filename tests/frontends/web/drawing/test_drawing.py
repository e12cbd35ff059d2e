"""A lab that is only drawn is a file, from an empty one to a lab that runs as it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import playground
from playground import Lab, PlaygroundError, TopologyError
from playground.engines.choice import RunningLabs
from playground.frontends.web.drawing.drawing import Drawing
from playground.frontends.web.editing import draft
from playground.frontends.web.editing.edited import Edited
from playground.frontends.web.editing.running_lab import RunningLab
from playground.frontends.web.served_labs import ServedLabs
from tests.support_agent import needs_root

NOBODY = ServedLabs()


def drawn(path: Path) -> Drawing:
    return Drawing(path, NOBODY)


def two_hosts(text: str) -> str:
    for kind, name in (("switch", "home"), ("host", "h1"), ("host", "h2")):
        text = draft.with_node(text, kind, name, {})
    for name in ("h1", "h2"):
        text = draft.with_link(text, name, "home", {})
    return text


def test_an_empty_page_becomes_a_file_that_up_would_start(tmp_path: Path) -> None:
    drawing: Edited = (one := drawn(tmp_path / "new.yaml"))
    nothing = drawing.look(drawing.text())
    assert not nothing.can_apply and nothing.diagram.cards == ()
    switch = draft.with_node(drawing.text(), "switch", "home", {})
    alone = drawing.look(switch)
    assert not alone.can_apply and [card.name for card in alone.diagram.cards] == ["home"]
    text = two_hosts(draft.EMPTY)
    looked = drawing.look(text)
    assert looked.can_apply and looked.rows[-1] == "not saved in new.yaml yet"
    assert 'Host("h1")' in looked.program
    assert one.save(text) == "new.yaml is written: 1 switch, 2 hosts."
    assert "not saved" not in drawing.look(text).rows[-1]
    assert [n.name for n in playground.load(tmp_path / "new.yaml").nodes] == ["home", "h1", "h2"]
    assert drawn(tmp_path / "new.yaml").text() == text


def test_what_is_incomplete_is_saved_and_opened_again(tmp_path: Path) -> None:
    drawing = drawn(tmp_path / "half.yaml")
    text = draft.with_node(drawing.text(), "switch", "home", {})
    drawing.save(text)
    again = drawn(tmp_path / "half.yaml")
    with pytest.raises(TopologyError, match="draw a host or a router"):
        again.apply(again.text(), again.text())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("playground: 1\nnodes: {h1: {kind: tree}}\n", "tree"),
        ("nodes: [\n", "lab.yaml"),
    ],
)
def test_a_file_that_is_no_lab_is_refused_at_once(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "lab.yaml").write_text(content)
    with pytest.raises(PlaygroundError, match=why):
        drawn(tmp_path / "lab.yaml")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("name: other\n", "name is not changed on a page"),
        ("engine: docker\n", "engine is not changed on a page"),
        ("users: {eve: secret99}\n", "users is not changed on a page"),
    ],
)
def test_what_the_lab_hangs_on_is_not_changed_by_a_page(
    tmp_path: Path, more: str, why: str
) -> None:
    drawing = drawn(tmp_path / "lab.yaml")
    text = two_hosts(draft.EMPTY)
    with pytest.raises(PlaygroundError, match=why):
        drawing.look(text + more)
    with pytest.raises(PlaygroundError, match=why):
        drawing.save(text + more)


def test_a_page_reaches_out_of_the_lab_no_further_than_its_file(tmp_path: Path) -> None:
    drawing = drawn(tmp_path / "lab.yaml")
    text = draft.with_node(draft.EMPTY, "host", "h1", {"volumes": {"/": "/mnt"}})
    with pytest.raises(TopologyError):
        drawing.save(text)
    assert not (tmp_path / "lab.yaml").exists()


@pytest.fixture(scope="module")
def labs() -> Iterator[ServedLabs]:
    labs = ServedLabs(RunningLabs("namespaces"))
    yield labs
    labs.close()


@needs_root
def test_start_is_what_up_does_and_the_lab_goes_on_by_itself(
    tmp_path: Path, labs: ServedLabs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAYGROUND_ENGINE", "namespaces")
    drawing = Drawing(tmp_path / "w1-drawn.yaml", labs)
    text = two_hosts(drawing.text())
    drawing.apply(text, text)
    lab, key = labs.opened("w1-drawn")
    try:
        assert drawing.began == key and drawing.runs()
        assert lab.node("h1").ping("h2", count=1).received == 1
        wanted = playground.load(drawing.file.path)
        assert not lab.apply(wanted, dry_run=True).differences
        with pytest.raises(PlaygroundError, match="runs already"):
            drawing.apply(text, text)
        # Its own page writes the same file at Apply.
        edited = RunningLab(lab, drawing.file)
        more = draft.with_link(draft.with_node(edited.text(), "host", "h3", {}), "h3", "home", {})
        edited.apply(more, edited.look(more).base)
        assert not lab.apply(playground.load(drawing.file.path), dry_run=True).differences
        # Who opens the file anew finds the lab that runs as it says; one that differs is told.
        again = Drawing(drawing.file.path, labs)
        again.join()
        assert again.began == key
        drawing.file.write(text)
        with pytest.raises(PlaygroundError, match=r"runs, and .* says otherwise"):
            Drawing(drawing.file.path, labs).join()
    finally:
        Lab.attach(lab.id, engine="namespaces", quiet=True).stop()
    assert not drawing.runs()
