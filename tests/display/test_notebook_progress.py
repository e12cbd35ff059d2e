"""Progress in a notebook, with a display that writes down what it is told."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from playground.display import notebook_progress
from playground.display.notebook_progress import NotebookProgress
from playground.display.progress import LineProgress, make_progress

LIMIT_S = 10


class Display:
    """A cell's output: what was displayed, and each thing that took its place."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []
        self.changed = threading.Condition()

    def display(self, data: dict[str, str], raw: bool) -> None:
        assert raw
        with self.changed:
            self.shown.append(data)
            self.changed.notify_all()

    update = display

    def wait_for(self, words: str) -> None:
        with self.changed:
            assert self.changed.wait_for(
                lambda: any(words in data["text/plain"] for data in self.shown), LIMIT_S
            )


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Display]:
    display = Display()
    monkeypatch.setattr(notebook_progress, "DisplayHandle", lambda: display)
    monkeypatch.setattr(notebook_progress, "REFRESH_S", 0.001)
    # A busy machine may take its time: no second passes here.
    monkeypatch.setattr(notebook_progress, "time", SimpleNamespace(monotonic=lambda: 0.0))
    yield display


def test_the_innermost_step_is_shown_and_in_the_end_nothing(
    cell: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook_progress, "SHORT_S", 0.001)
    progress = NotebookProgress()
    with progress.step("starting <h1>", total=4) as outer:
        outer.advance(2)
        cell.wait_for("starting <h1> 0 s")
        with progress.step("pulling debian") as inner:
            inner.note("layer\n2 of 5\x1b")
            cell.wait_for("pulling debian 0 s layer 2 of 5\\x1b")
    html = [data["text/html"] for data in cell.shown]
    assert '<progress value="2" max="4"></progress> starting &lt;h1&gt; <small>0 s </small>' in html
    assert "<progress></progress> pulling debian <small>0 s layer 2 of 5\\x1b</small>" in html
    assert cell.shown[-1] == {"text/html": "", "text/plain": ""}


def test_short_steps_show_nothing(cell: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_progress, "SHORT_S", LIMIT_S)
    progress = NotebookProgress()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), progress.step("short"):
            _ = 1 / 0
    assert cell.shown == []


def test_it_is_for_notebooks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in [
        ("ZMQInteractiveShell", NotebookProgress),
        ("TerminalInteractiveShell", LineProgress),
    ]:
        shell = type(name, (), {})()
        monkeypatch.setitem(
            sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell)
        )
        assert type(make_progress()) is kind
