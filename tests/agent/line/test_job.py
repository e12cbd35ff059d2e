"""The start of a job: its pipes, who starts it, and that a failure leaves nothing."""

from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest

from playground.agent.line.job import AgentJob, start_job
from playground.agent.line.job_input import JobInput
from playground.agent.nodes.commands import Command
from playground.agent.nodes.launcher_clients import Launches
from tests.support_agent import Namespaces, apart, needs_root, wake_at_childrens_end
from tests.support_line import Line, open_files


def _new(line: Line) -> AgentJob:
    job = AgentJob(1, 7, JobInput(line.selector, line.replies))
    job.start_by = time.monotonic() + 10
    return job


def _launches(line: Line) -> Launches:
    return Launches(line.selector, lambda job, code: None, lambda launcher: None)


def test_a_job_that_is_not_started_has_no_number_and_no_pipes(line: Line) -> None:
    job = _new(line)
    assert (job.pid, job.launcher, job.channel, job.returncode) == (0, None, None, None)
    assert (job.streams, job.stdin.fd) == ({}, -1)


@pytest.mark.parametrize("tty", [None, (80, 24)], ids=["pipes", "terminal"])
def test_a_failure_leaves_nothing_open(line: Line, tty: tuple[int, int] | None) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    job, launches = _new(line), _launches(line)
    before = open_files()
    with pytest.raises(ProcessLookupError, match="is gone"):
        start_job(
            job,
            launches,
            gone.pid,
            Command(["true"], tty=tty),
            stdin=True,
            merge_stderr=False,
        )
    assert open_files() == before


def _started(
    pid: int, options: dict[str, Any], stdin: bool, merge: bool
) -> tuple[bool, bool, list[str], bool]:
    wake_at_childrens_end()
    line = Line()
    job = _new(line)
    command = Command(["true"], **options)
    start_job(job, _launches(line), pid, command, stdin=stdin, merge_stderr=merge)
    assert job.channel is not None
    job.channel.settimeout(10)
    assert job.channel.recv(4096)[:1] in (b"", b"{", b"t")
    return job.launcher is not None, job.pid > 0, sorted(job.streams), job.stdin.fd >= 0


@needs_root
@pytest.mark.parametrize(
    ("options", "stdin", "merge", "started"),
    [
        ({}, True, False, (True, False, ["stderr", "stdout"], True)),
        ({}, False, True, (True, False, ["stdout"], False)),
        ({"user": "root"}, False, False, (False, True, ["stderr", "stdout"], False)),
        ({"env": {"LONG": "x" * (1 << 20)}}, False, False, None),
        ({"tty": (80, 24)}, True, False, (False, True, [], False)),
    ],
    ids=["launcher", "merged", "user", "long", "terminal"],
)
def test_who_starts_a_job_and_with_which_pipes(
    pair: tuple[Namespaces, Namespaces],
    options: dict[str, Any],
    stdin: bool,
    merge: bool,
    started: tuple[bool, bool, list[str], bool] | None,
) -> None:
    # Input longer than a packet needs a child of the agent's own as well.
    expected = started or (False, True, ["stderr", "stdout"], False)
    assert apart(_started, pair[0].pid, options, stdin, merge) == expected
