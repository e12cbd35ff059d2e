"""`playground stop`, `start` and `restart`, on a lab that is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from playground import Host, Lab, Link, Switch
from playground.engines.seam import Engine
from playground.frontends.cli import main


@pytest.fixture(scope="module")
def kept(namespaces_engine: Engine, keep_lab) -> Iterator[Lab]:
    """h1 - home - h2"""
    home = Switch("home")
    Link(home, Host("h1"))
    Link(home, Host("h2"))
    lab = Lab(home, name=f"life-{os.getpid()}", keep=True, quiet=True, engine=namespaces_engine)
    keep_lab(lab.start().id)
    yield lab
    lab.stop()


def playground(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(main, [*words])
    assert done.exit_code == status, done.output
    return done.output


def test_machines_are_stopped_and_started_by_name(kept: Lab) -> None:
    name = kept.name
    said = playground("stop", name, "h1", "--grace", "0")
    assert said == "h1 is stopped; its files stay, and `playground start` brings it back\n"
    assert playground("stop", name, "h1") == "h1 is stopped already\n"
    assert "h1 is stopped" in playground("run", "--lab", name, "h1", "true", status=1)
    assert "h1 runs again, after" in playground("start", name, "h1")
    assert playground("start", name, "h1", "h2") == "h1 runs already\nh2 runs already\n"
    assert "h2 runs again, after" in playground("restart", name, "h2", "--grace", "0")
    # The process that made it is told nothing of that; the machines are the same.
    assert kept.node("h1").ping("h2", count=1).received == 1


def test_a_switch_and_a_stranger_are_refused_before_anything_is_stopped(kept: Lab) -> None:
    said = playground("stop", kept.name, "h1", "home", status=1)
    assert "home is a switch, which has no power to lose here" in said
    assert "there is no machine 'h9'" in playground("stop", kept.name, "h1", "h9", status=1)
    assert kept.node("h1").ping("h2", count=1).received == 1


def test_events_for_some_time(kept: Lab) -> None:
    assert playground("events", kept.name, "--seconds", "0.2", "--json") == ""
    assert "'x' is no kind of event" in playground("events", kept.name, "--kind", "x", status=1)


def test_what_a_check_does_not_know_is_a_line_of_ours(kept: Lab, tmp_path: Path) -> None:
    path = tmp_path / "checks.json"
    path.write_text('{"test": {"smell": {}}}')
    said = CliRunner().invoke(main, ["check", kept.name, str(path)]).output
    assert f"playground: {path}:1:" in said
    assert "smell: nothing is known of this key" in said
    assert "LabWarning" not in said


FILE = """\
from playground import *

home = Switch("home")
for name in {names}:
    Link(home, Host(name))
lab = Lab(home, name="{lab}", engine="namespaces", quiet=True)
"""


def test_a_file_that_has_changed_is_told_and_applied(tmp_path: Path, keep_lab) -> None:
    name, path = f"apply-{os.getpid()}", tmp_path / "street.py"
    path.write_text(FILE.format(names=["h1", "h2"], lab=name))
    said = playground("apply", str(path), status=1)
    assert f"no lab named {name} is kept running: start it with `playground up {path}`" in said
    playground("up", str(path))
    try:
        with Lab.attach(name, quiet=True) as lab:
            keep_lab(lab.id)
        assert playground("up", str(path)) == f"lab {name} runs already, as {path} says\n"
        path.write_text(FILE.format(names=["h1", "h2", "h3"], lab=name))
        said = playground("up", str(path), status=1)
        assert "+ h3 node host" in said
        assert f"`playground apply {path}` makes these changes" in said
        assert "nothing was changed" in playground("apply", str(path), "--dry-run")
        assert f"lab {name} is now as {path} says\n" in playground("apply", str(path))
        with Lab.attach(name, quiet=True) as lab:
            assert lab.node("h3").ping("h1", count=1).received == 1
        playground("stop", name, "h2")
        said = playground("apply", str(path))
        assert f"h2 is stopped, and stays so: `playground start {name} h2` starts it" in said
        other = tmp_path / "other.py"
        other.write_text(FILE.format(names=["h1", "h2"], lab=name))
        said = playground("apply", str(other), "--lab", name, "--dry-run")
        assert f"`playground apply {other} --lab {name}` does it" in said
    finally:
        playground("down", name)


def test_a_lab_is_kept_and_brought_back(
    kept: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert playground("snapshot", kept.name) == "nothing is kept\n"
    playground("run", "--lab", kept.name, "h1", "echo then > /root/notes")
    assert playground("snapshot", kept.name, "before").endswith("is kept as before\n")
    assert playground("snapshot", kept.name) == "before\n"
    playground("run", "--lab", kept.name, "h1", "echo now > /root/notes")
    assert playground("restore", kept.name, "before").endswith("is as it was at before\n")
    with Lab.attach(kept.name, quiet=True) as lab:
        assert lab.node("h1").read("/root/notes") == "then\n"
    assert "there is no snapshot 'later'" in playground("restore", kept.name, "later", status=1)
