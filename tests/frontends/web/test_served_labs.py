"""A page shows the labs of its own program, and with `RunningLabs` all of the machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from playground import Host, Lab, LabNotFound
from playground.engines.choice import RunningLabs
from playground.frontends.web import served_labs
from playground.frontends.web.served_labs import ServedLabs
from tests.support_agent import needs_root


def test_a_lab_of_this_program_is_found_by_name_until_it_is_removed() -> None:
    labs, lab = ServedLabs(), Lab(Host("a"), name="own")
    labs.add(lab)
    assert labs.open("own") is lab
    assert [(line.name, line.nodes) for line in labs.lines()] == [("own", ("a",))]
    labs.remove(Lab(Host("a"), name="own"))  # another of that name
    assert labs.open("own") is lab
    labs.remove(lab)
    with pytest.raises(LabNotFound, match="'own'"):
        labs.open("own")


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


class Running:
    """Labs that run elsewhere; one of them answers when a test lets it."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.go_on = threading.Event()

    def labs(self) -> list[Any]:
        return [self._record(name) for name in self.names]

    def find(self, name: str) -> tuple[Any, Any]:
        if name == "hangs":
            assert self.go_on.wait(20)
        return None, self._record(name)

    def _record(self, name: str) -> Any:
        return SimpleNamespace(
            id=f"id-{name}", name=name, nodes=(), is_stale=False, is_own=True, created=1.0, uid=None
        )


@pytest.fixture
def detached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the ids of labs that were let go."""
    gone: list[str] = []

    def attach(lab_id: str, **arguments: Any) -> Any:
        return SimpleNamespace(id=lab_id, running=True, detach=lambda: gone.append(lab_id))

    monkeypatch.setattr(served_labs, "Lab", SimpleNamespace(attach=attach))
    return gone


def test_a_lab_that_hangs_keeps_nobody_from_another(detached: list[str]) -> None:
    running: Any = Running("hangs", "other")
    labs = ServedLabs(running)
    thread = threading.Thread(target=labs.open, args=["hangs"])
    thread.start()
    try:
        assert labs.open("other").id == "id-other"
        assert [line.name for line in labs.lines()] == ["hangs", "other"]
    finally:
        running.go_on.set()
        thread.join(20)
    assert detached == []


def test_a_lab_that_has_ended_is_let_go_of(detached: list[str]) -> None:
    running: Any = Running("first", "second")
    labs = ServedLabs(running)
    labs.open("first")
    running.names.remove("first")
    labs.open("second")  # as soon as anything else is opened
    until(lambda: detached == ["id-first"])
    running.names.clear()
    assert labs.lines() == []  # or the list is looked at
    until(lambda: detached == ["id-first", "id-second"])


def test_who_wants_to_know_is_told_of_labs_that_have_ended(detached: list[str]) -> None:
    running: Any = Running("first", "second")
    labs = ServedLabs(running)
    ended: list[str] = []
    labs.on_ended(ended.extend)
    first, _ = (line.key for line in labs.lines())
    assert ended == []
    running.names[:] = ["second", "third"]
    labs.open("second")
    assert ended == [first]
    labs.lines()
    assert ended == [first]


def test_a_lab_that_is_let_go_of_and_hangs_keeps_nobody_from_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = threading.Event()

    def attach(lab_id: str, **arguments: Any) -> Any:
        return SimpleNamespace(id=lab_id, running=True, detach=lambda: go_on.wait(20))

    monkeypatch.setattr(served_labs, "Lab", SimpleNamespace(attach=attach))
    monkeypatch.setattr(served_labs, "_LEAVE_LIMIT_S", 0.1)
    running: Any = Running("first", "second")
    labs = ServedLabs(running)
    labs.open("first")
    running.names.remove("first")
    assert labs.open("second").id == "id-second"
    running.close = lambda: None
    labs.close()
    assert not go_on.is_set()
    go_on.set()


def test_a_lab_keeps_its_key_and_another_of_its_name_has_another() -> None:
    labs, first, second = ServedLabs(), Lab(Host("a"), name="own"), Lab(Host("a"), name="own")
    key = labs.add(first)
    assert labs.add(first) == key == labs.opened("own")[1] == labs.lines()[0].key
    assert labs.add(second) != key
    # Not even when it comes back: who had been given its page may have been shut out since.
    assert labs.add(first) != key


@needs_root
def test_a_lab_of_another_program_is_attached_to_and_left_running(namespaces_engine) -> None:
    with Lab(Host("a"), name="web-other", engine=namespaces_engine, quiet=True) as lab:
        labs = ServedLabs(RunningLabs("namespaces"))
        assert "web-other" in [line.name for line in labs.lines()]
        seen = labs.open("web-other")
        assert seen is not lab and labs.open("web-other") is seen
        assert seen["a"].run("hostname").stdout == "a\n"
        labs.close()
        assert lab["a"].run("true").returncode == 0


@needs_root
def test_a_lab_that_has_ended_is_missing_and_a_new_one_of_its_name_is_found(
    namespaces_engine,
) -> None:
    labs = ServedLabs(RunningLabs("namespaces"))
    with Lab(Host("a"), name="web-again", engine=namespaces_engine, quiet=True):
        first, key = labs.opened("web-again")
    with pytest.raises(LabNotFound, match="web-again"):
        labs.open("web-again")
    with Lab(Host("b"), name="web-again", engine=namespaces_engine, quiet=True):
        second, another = labs.opened("web-again")
        assert another != key
        assert second is not first and [node.name for node in second.nodes] == ["b"]
        labs.close()
