"""There is one of a lab, a node, a link and a job, and a refused change leaves each as it was."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from playground import Host, Lab, Link, Router, Switch
from playground.errors import BadArgument, PlaygroundError, TopologyError
from playground.operations.connection.commands import Job


class Ended:
    """A process that has ended."""

    def wait(self, timeout_s: float | None = None) -> int:
        return 0


def parts() -> dict[str, object]:
    h1, h2, switch = Host("h1"), Host("h2"), Switch("s")
    link = Link(switch, h1)
    Link(switch, h2)
    job = Job(h1, "true", Ended())  # type: ignore[arg-type]
    return {"host": h1, "switch": switch, "link": link, "lab": Lab(h1), "job": job}


@pytest.mark.parametrize("kind", parts())
@pytest.mark.parametrize("doing", [copy.copy, copy.deepcopy, pickle.dumps])
def test_what_there_is_one_of_is_not_copied(kind: str, doing: Callable[[Any], Any]) -> None:
    with pytest.raises(BadArgument, match="cannot be copied or pickled, for there is one of it"):
        doing(parts()[kind])


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize(
    "step", ["_stop_gently", "returning_interfaces.wait_returned", "runs_no_more", "restore"]
)
def test_nothing_keeps_a_lab_from_its_end(
    monkeypatch: pytest.MonkeyPatch, step: str, error: type[BaseException]
) -> None:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    lab = Lab(h1, quiet=True)
    ended = []
    lab._state.lasting = ExitStack()
    lab._state.lasting.callback(ended.append, "the lab")

    def fails(*arguments: object) -> None:
        assert lab.running == (step == "_stop_gently"), "it runs while its programs end"
        raise error("what was declared is odd")

    monkeypatch.setattr(f"playground.lab.methods.stopping.{step}", fails)
    with pytest.raises(error, match="is odd"):
        lab.stop()
    assert ended == ["the lab"]
    assert not lab.running


def test_a_refused_change_is_never_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to another thread that draws the lab while it is looked at."""
    home, street = Switch("home"), Switch("street")
    h1, stranger, modem = Host("h1"), Host("stranger"), Router("modem")
    Link(home, h1)
    Link(home, modem)
    uplink = Link(street, modem)
    Link(street, stranger)
    modem.masquerade(uplink)
    lab = Lab(h1, quiet=True)
    looked, done = threading.Event(), threading.Event()
    found: list[object] = []

    def look() -> None:
        while not done.is_set():
            try:
                found.append(lab.plan() == whole)
            except PlaygroundError as error:
                found.append(error)
            looked.set()

    def catch_up() -> None:
        looked.clear()
        looked.wait(0.3)
        lab.plan()

    whole = lab.plan()
    monkeypatch.setattr(Router, "listener", lab)
    monkeypatch.setattr(lab, "catch_up", catch_up)
    drawing = threading.Thread(target=look)
    drawing.start()
    try:
        with pytest.raises(TopologyError):
            modem.forward(uplink, port=80, to=Host("nowhere"))
    finally:
        done.set()
        drawing.join(20)
    assert set(map(str, found)) == {"True"}
