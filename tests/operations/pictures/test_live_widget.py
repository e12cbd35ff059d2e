"""The widget of a living picture: its side in Python, without a browser."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from playground import Host, Lab, Link, Switch
from playground.display.live_picture import PicturePace
from playground.errors import BadArgument, PlaygroundError
from playground.operations.pictures import live_widget
from playground.operations.pictures.live_widget import Cells, LivePictureWidget, Looking


def until(true: Callable[[], bool], limit_s: float = 20) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    home = Switch("home")
    Link(home, Host("h1")), Link(home, Host("h2"))
    with Lab(home, name="live-widget", engine="namespaces", quiet=True) as lab:
        yield lab


@pytest.fixture
def widget(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[LivePictureWidget]:
    monkeypatch.setattr(PicturePace, "pause_s", lambda pace, took_s: 0.01)
    widget = lab.live()
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(widget, "send", sent.append)
    widget.sent = sent
    yield widget
    widget.close()


def test_it_has_the_whole_picture_at_once(widget: LivePictureWidget) -> None:
    assert widget.svg.startswith("<svg")
    assert widget.shown["lab"] == {"data-state": "runs"}
    assert {"node h1", "cable 0", "note 0"} <= widget.shown.keys()
    assert not widget.looking


def test_it_sends_what_changes_while_somebody_sees_it(lab: Lab, widget: LivePictureWidget) -> None:
    widget._take(widget, {"word": "new"}, [])
    whole = widget.sent[0]
    assert whole["svg"] == widget.svg
    link = lab.link("home", "h1")

    def notes() -> list[str]:
        parts = [said["attributes"].get("note 0", {}) for said in list(widget.sent)]
        return [part["text"] for part in parts if "text" in part]

    assert notes() == [""]
    link.down()
    until(lambda: notes() == ["", "down"])
    link.up()
    until(lambda: notes() == ["", "down", ""])
    widget._take(widget, {"word": "gone"}, [])
    until(lambda: not widget.looking)
    assert all(said["svg"] == "" for said in widget.sent[1:])


@pytest.mark.parametrize("content", [None, "here", {}, {"word": 5}, {"word": "rm -rf /"}, []])
def test_what_nobody_says_is_passed_over(widget: LivePictureWidget, content: object) -> None:
    widget._take(widget, content, [])
    assert not widget.looking
    assert widget.sent == []


def test_a_notebook_that_a_program_runs_has_a_still_picture(widget: LivePictureWidget) -> None:
    data, _ = widget._repr_mimebundle_()
    assert data["image/svg+xml"].startswith("<svg")
    assert "application/vnd.jupyter.widget-view+json" in data


def test_it_ends_when_the_lab_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PicturePace, "pause_s", lambda pace, took_s: 0.01)
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    lab = Lab(h1, name="live-widget-ends", engine="namespaces", quiet=True).start()
    widget = lab.live()
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(widget, "send", sent.append)
    try:
        widget._take(widget, {"word": "here"}, [])
        assert widget.looking
    finally:
        lab.stop()
    until(lambda: not widget.looking)
    assert sent[-1]["attributes"]["lab"] == {"data-state": "rests"}
    # Who still looks sees the lab when it starts again.
    lab.start()
    try:
        widget._take(widget, {"word": "here"}, [])
        until(lambda: sent[-1]["attributes"].get("lab") == {"data-state": "runs"})
    finally:
        lab.stop()
    widget.close()


def test_another_theme_is_refused(lab: Lab) -> None:
    with pytest.raises(BadArgument, match="theme='pink' is none"):
        lab.live(theme="pink")


# -- the thread that looks --------------------------------------------------------------


def looks(answer: Callable[[], bool], **said: Any) -> tuple[Looking, list[float]]:
    times: list[float] = []

    def look() -> bool:
        times.append(time.monotonic())
        return answer()

    return Looking(lambda: look, **said), times


def test_it_stops_when_nobody_says_that_they_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PicturePace, "pause_s", lambda pace, took_s: 0.01)
    monkeypatch.setattr(live_widget, "SILENCE_S", 0.1)
    looking, times = looks(lambda: True)
    looking.heard()
    until(lambda: not looking.going)
    assert times
    looking.heard()
    assert looking.going
    looking.end()
    until(lambda: not looking.going)


def test_it_goes_on_while_nobody_can_be_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PicturePace, "pause_s", lambda pace, took_s: 0.01)
    monkeypatch.setattr(live_widget, "SILENCE_S", 0.05)
    monkeypatch.setattr(live_widget, "BUSY_S", 0.5)
    looking, times = looks(lambda: True, busy=lambda: True)
    looking.heard()
    until(lambda: not looking.going)
    assert times[-1] - times[0] > 0.3


@pytest.mark.parametrize("error", [None, PlaygroundError("no more")])
def test_it_ends_with_what_it_looks_at(error: Exception | None) -> None:
    def answer() -> bool:
        if error is not None:
            raise error
        return False

    looking, times = looks(answer)
    looking.heard()
    until(lambda: not looking.going)
    assert len(times) == 1


def test_a_widget_that_nobody_has_is_forgotten(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PicturePace, "pause_s", lambda pace, took_s: 0.01)

    class Thing:
        def look(self) -> bool:
            return True

    thing = Thing()
    looking = Looking(weakref.WeakMethod(thing.look))
    looking.heard()
    assert looking.going
    del thing
    gc.collect()
    until(lambda: not looking.going)
    names = [thread.name for thread in threading.enumerate()]
    assert "playground live picture" not in names


def test_outside_of_a_notebook_no_cell_runs() -> None:
    cells = Cells()
    assert not cells.busy
    cells.close()


def test_in_a_notebook_without_a_browser_it_is_still_and_ends() -> None:
    import nbformat
    from nbclient import NotebookClient

    cells = [
        "from playground import Host, Lab, Link\n"
        "h1, h2 = Host('h1'), Host('h2')\n"
        "link = Link(h1, h2)\n"
        "lab = Lab(h1, name='live-headless', engine='namespaces', quiet=True).start()\n"
        "lab.live()",
        "import threading\nlab.stop()\n"
        "for thread in threading.enumerate():\n"
        "    if thread.name == 'playground live picture':\n"
        "        thread.join(20)\n"
        "[t.name for t in threading.enumerate() if t.name == 'playground live picture']",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    [shown], [left] = (
        [one.data for one in cell.outputs if one.output_type == "execute_result"]
        for cell in notebook.cells
    )
    assert shown["image/svg+xml"].startswith("<svg")
    assert "h1" in shown["text/html"]
    assert left["text/plain"] == "[]"
