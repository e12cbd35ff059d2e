"""An engine that takes requests and never answers: every wait ends, and says what it was."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.engines.docker import http, server
from playground.engines.docker.engine import DockerEngine
from playground.engines.namespaces.images.docker_roots import DockerRoots
from playground.errors import EngineError
from playground.frontends import doctor
from playground.lab.lab import Lab
from playground.operations.network import Host
from tests import machine
from tests.slow_engine import SlowEngine

HANGS = "it hangs, or the machine is overloaded. If `docker ps` does not answer either, restart"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds instead of minutes."""
    monkeypatch.setattr(http, "TIMEOUT_S", 2.0)
    monkeypatch.setattr(http, "_LOOK_TIMEOUT_S", 2.0)
    monkeypatch.setattr(http, "_HANGING_TIMEOUT_S", 0.2)
    monkeypatch.setattr(server, "FIRST_TIMEOUT_S", 0.5)
    monkeypatch.setattr(server, "_PROBE_S", 0.5)


@pytest.fixture
def mute(tmp_path: Path) -> Iterator[str]:
    """A socket that takes connections and never answers."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "mute.sock"))
        listening.listen()
        yield f"unix://{tmp_path}/mute.sock"


def took_s(begin: float) -> float:
    return time.monotonic() - begin


def test_a_lab_does_not_wait_for_ever(mute):
    h1, begin = Host("h1"), time.monotonic()
    lab = Lab(h1, engine=DockerEngine(mute), quiet=True)
    with pytest.raises(EngineError, match=HANGS):
        lab.start()
    assert took_s(begin) < 10
    assert not lab.running


def test_bare_namespaces_keep_why_it_was_left_out(mute, tmp_path):
    roots = DockerRoots(tmp_path, DockerEngine(mute))
    assert not roots.answers() and HANGS in roots.silence
    nobody = DockerRoots(tmp_path, DockerEngine(f"unix://{tmp_path}/nobody.sock"))
    assert not nobody.answers() and not nobody.silence


def test_everything_that_is_asked_of_it_ends(mute):
    engine, begin = DockerEngine(mute), time.monotonic()
    assert not engine.answers()
    for ask in (engine.check, engine.labs, engine.describe, lambda: engine.stop("x")):
        with pytest.raises(EngineError, match=HANGS):
            ask()
    # Only the first waited for all of its time.
    assert took_s(begin) < 10


def test_one_with_a_full_queue_is_no_engine_that_is_not_there(tmp_path):
    with socket.socket(socket.AF_UNIX) as listening, contextlib.ExitStack() as waiting:
        listening.bind(str(tmp_path / "full.sock"))
        listening.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                one = waiting.enter_context(socket.socket(socket.AF_UNIX))
                one.setblocking(False)
                one.connect(str(tmp_path / "full.sock"))
        with pytest.raises(EngineError, match=HANGS):
            DockerEngine(f"unix://{tmp_path}/full.sock").check()


def test_the_doctor_finds_it(mute):
    (finding,) = [one for one in doctor.examine(DockerEngine(mute)) if one.name == "engine"]
    assert finding.status == "fail"
    assert HANGS in finding.advice


@pytest.mark.parametrize(
    ("version", "warned"),
    [("20.10.24+dfsg1", True), ("22.06", True), ("23.0.0", False), ("26.1.5", False), ("?", False)],
)
def test_the_doctor_warns_of_engines_known_to_hang(version, warned):
    assert bool(list(doctor._age(version))) is warned


def test_a_start_that_it_hangs_in_is_undone_when_it_answers_again(docker_engine, tmp_path):
    # It hangs when the helper or the host has been asked for, and says nothing from then on.
    slow = SlowEngine(tmp_path / "slow.sock", b"/start", all_after=True)
    h1, children = Host("h1"), machine.children()
    name = f"hangs-{os.getpid()}"
    with contextlib.closing(slow), contextlib.closing(DockerEngine(slow.url)) as engine:
        lab, begin = Lab(h1, name=name, engine=engine, quiet=True), time.monotonic()
        with pytest.raises(EngineError, match=HANGS):
            lab.start()
        # Start, undo, and stop have waited together, not one after the other.
        assert took_s(begin) < 10
        assert docker_engine.containers(lab.id)
        slow.go.set()
        deadline = time.monotonic() + 60
        while docker_engine.containers(lab.id) or machine.children() - children:
            assert time.monotonic() < deadline, "its guardian has not done its work"
            time.sleep(0.1)
