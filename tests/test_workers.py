"""Workers share the tests of one run, and each marks labs of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests import machine, workers


@pytest.mark.parametrize(
    ("test", "group"),
    [
        ("a/test_b.py::test_b", "a/test_b.py"),
        ("a/test_b.py::test_b[docker]", "a/test_b.py docker"),
        ("a/test_b.py::test_b[namespaces-imap]", "a/test_b.py namespaces"),
        ("a/test_b.py::TestB::test_c[imap-docker]", "a/test_b.py docker"),
        ("a/test_b.py::test_b[swarm-imap]", "swarm"),
        ("a/test_swarm_b.py::test_b", "swarm"),
        ("a/test_b.py::test_docker_b[a docker of one's own]", "a/test_b.py"),
        ("tests/test_how_to.py::test_a[b]", "tests/test_how_to.py::test_a[b]"),
    ],
)
def test_tests_of_a_file_on_one_engine_stay_together(test: str, group: str) -> None:
    assert workers.scope(test) == group


def test_a_workers_labs_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", f"ada{machine.MARK}1")
    machine.mark_labs()
    assert os.environ["LOGNAME"] == f"ada{machine.MARK}1"  # a program that the tests of 1 start
    machine.mark_labs(is_worker=True)
    assert os.environ["LOGNAME"] == f"ada{machine.MARK}{os.getpid()}"


def test_who_is_alone_waits_for_others_and_lets_none_in(tmp_path: Path) -> None:
    files = tmp_path / "gate", tmp_path / "room"
    for file in files:
        file.touch()
    entered: list[str] = []

    def take(name: str, alone: bool) -> None:
        with workers.turn(alone, *files):
            entered.extend([name, f"{name} again"])

    threads = [
        threading.Thread(target=take, args=("alone", True)),
        threading.Thread(target=take, args=("later", False)),
    ]
    with workers.turn(False, *files), workers.turn(False, *files):
        for thread in threads:
            thread.start()
            thread.join(0.05)  # long enough to come to the gate
        assert entered == []
    for thread in threads:
        thread.join(20)
    assert entered == ["alone", "alone again", "later", "later again"]


@pytest.mark.parametrize(
    "parameter", ["os.getpid()", "object()"], ids=["others in each worker", "an address"]
)
def test_workers_that_found_other_tests_are_no_failed_tests(parameter: str, tmp_path: Path) -> None:
    # scripts/test runs failed tests again, and of these there are none.
    tmp_path.joinpath("test_it.py").write_text(
        f"import os, pytest\n@pytest.mark.parametrize('one', [{parameter}], ids=str)\n"
        "def test_it(one): pass\n"
    )
    options = ["-n2", "-p", "tests.conftest", "-p", "no:cacheprovider", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", *options]
    ran = subprocess.run(command, capture_output=True, timeout=120)
    assert ran.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), ran.stdout
