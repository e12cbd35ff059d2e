"""The scripts: what they do where there is no engine, and that they can be read."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
SCRIPTS = ("setup", "demo", "test", "check", "bench")

# RFC 863, discard: nobody runs it on a loopback address any more.
NOWHERE = "tcp://127.0.0.1:9"


@pytest.fixture
def clone(tmp_path):
    """A clone whose .venv is up to date: a door to the python of these tests."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(TOP / "scripts" / "setup", tmp_path / "scripts")
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(TOP / name, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    content = (TOP / "setup.cfg").read_bytes() + (TOP / "pyproject.toml").read_bytes()
    stamp = hashlib.sha256(os.fsencode(tmp_path.resolve()) + b"\n" + content).hexdigest()
    (tmp_path / ".venv" / "installed-from").write_text(f"{stamp}  -\n")
    return tmp_path


def setup(clone, *arguments, **environment):
    inherited = {name: text for name, text in os.environ.items() if name != "CI"}
    return subprocess.run(
        [clone / "scripts" / "setup", *arguments],
        env=inherited | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("path", [f"scripts/{name}" for name in SCRIPTS] + [".ci/run"])
def test_scripts_can_be_run_and_parsed(path):
    assert os.access(TOP / path, os.X_OK)
    subprocess.run(["bash", "-n", TOP / path], check=True, timeout=20)


def test_ci_only_calls_check_and_test():
    lines = (TOP / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if line.startswith("scripts/")] == [
        "scripts/check",
        "scripts/test",
    ]


def test_an_unknown_option_shows_how_it_is_called(clone):
    done = setup(clone, "--no-such-option")
    assert done.returncode == 2
    assert "--without-engine" in done.stderr


def test_what_is_ready_is_not_made_again(clone):
    done = setup(clone, "--without-engine", "echo", "two words", "$HOME")
    assert (done.returncode, done.stdout, done.stderr) == (0, "two words $HOME\n", "")


def test_the_commands_exit_status_is_passed_on(clone):
    assert setup(clone, "--without-engine", "sh", "-c", "exit 7").returncode == 7


def test_a_missing_engine_is_an_error(clone):
    done = setup(clone, "echo", "not reached", DOCKER_HOST=NOWHERE)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"nothing answers at DOCKER_HOST={NOWHERE}" in done.stderr


def test_a_missing_engine_may_be_passed_over(clone):
    done = setup(clone, "--engine-if-possible", "echo", "reached", DOCKER_HOST=NOWHERE)
    assert (done.returncode, done.stdout) == (0, "reached\n")
    assert "skipped" in done.stderr


def test_a_missing_engine_is_an_error_in_ci(clone):
    done = setup(clone, "--engine-if-possible", "echo", "no", DOCKER_HOST=NOWHERE, CI="true")
    assert (done.returncode, done.stdout) == (1, "")
