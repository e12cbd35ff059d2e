"""All jobs: which is meant, what comes of it, and who is never signalled."""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from playground.agent.line import job_table
from playground.agent.line.job import AgentJob, start_job
from playground.agent.line.job_table import Jobs
from playground.agent.nodes.commands import Command
from tests.support_agent import Namespaces, apart, needs_root, wake_at_childrens_end
from tests.support_line import Line


class Table:
    """Jobs whose children are the test itself."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.jobs = Jobs(line.selector, line.replies)
        self.sockets: list[socket.socket] = []

    def add(self, pid: int = 0) -> tuple[AgentJob, socket.socket]:
        job = self.jobs.new(7)
        job.pid = pid
        job.channel, child = socket.socketpair()
        self.sockets += [job.channel, child]
        self.jobs.add(job)
        return job, child


@pytest.fixture
def table(line: Line) -> Iterator[Table]:
    made = Table(line)
    yield made
    for each in made.sockets:
        each.close()


class Groups:
    """The groups that were to be signalled, instead of signalling them."""

    def __init__(self) -> None:
        self.signalled: list[int] = []

    def killpg(self, group: int, signum: int) -> None:
        if signum:  # 0 asks whether anybody is in it
            self.signalled.append(group)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> Groups:
    made = Groups()
    monkeypatch.setattr(os, "killpg", made.killpg)
    return made


@pytest.mark.parametrize("number", [0, 2, -1, "1", None, 1.0])
def test_a_job_that_never_was(table: Table, number: Any) -> None:
    table.add()
    for ask in (
        lambda: table.jobs.write(8, number, ""),
        lambda: table.jobs.close_stdin(number),
        lambda: table.jobs.signal(number, 15),
        lambda: table.jobs.resize(number, 80, 24),
        lambda: table.jobs.credit(number, 1),
    ):
        with pytest.raises(LookupError, match="there never was a job"):
            ask()


def test_a_job_that_has_ended_is_known(table: Table, groups: Groups) -> None:
    _, child = table.add(pid=4000)
    child.close()
    table.jobs.reaped(4000, 3 << 8)
    assert table.line.said() == [
        {"id": 7, "result": {"job": 1, "pid": 4000}},
        {"event": "exit", "job": 1, "returncode": 3},
    ]
    table.jobs.close_stdin(1)
    table.jobs.signal(1, 15)
    table.jobs.resize(1, 80, 24)
    table.jobs.credit(1, 1)
    with pytest.raises(BrokenPipeError, match="reads no more"):
        table.jobs.write(8, 1, "")
    table.jobs.kill()
    assert groups.signalled == []


def test_a_child_that_is_no_job_is_no_event(table: Table) -> None:
    table.jobs.reaped(4000, 0)
    assert table.line.said() == []


def test_a_job_that_has_not_begun_is_never_signalled(table: Table, groups: Groups) -> None:
    # To a group 0 a signal goes to the agent itself, and all that it has started.
    table.add()
    table.add(pid=4000)
    for number in (1, 2):
        table.jobs.signal(number, signal.SIGTERM)
    assert groups.signalled == [4000]
    table.jobs.kill()
    assert groups.signalled == [4000, 4000]


def test_a_job_that_was_given_up_and_never_began_is_not_signalled(
    table: Table, groups: Groups
) -> None:
    job, child = table.add()
    job.given_up = True
    child.close()
    table.line.turn()
    assert (groups.signalled, table.line.said()) == ([], [])


def test_killing_takes_what_a_job_has_started_with_it(table: Table) -> None:
    script = "sleep 60 & echo up; exec sleep 60"
    with subprocess.Popen(
        ["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        table.add(process.pid)
        table.jobs.kill()
        # End of file: none of the two has it open any more.
        assert process.stdout.read() == b""
        assert process.wait(10) == -signal.SIGKILL


def test_output_waits_until_what_was_sent_is_consumed(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_table, "WINDOW_BYTES", 5)
    job, child = table.add(pid=4000)
    job.streams["stdout"], writer = os.pipe()
    child.close()
    os.set_blocking(job.streams["stdout"], False)

    def output() -> list[bytes]:
        for _ in range(3):
            table.line.turn()
        return [base64.b64decode(m["data"]) for m in table.line.said() if "event" in m]

    os.write(writer, b"first")
    assert output() == [b"first"]
    os.write(writer, b"second")
    assert output() == [b"first"]
    table.jobs.credit(1, 5)
    assert output() == [b"first", b"second"]
    os.close(writer)


def _whole_life(pid: int) -> list[Any]:
    wake_at_childrens_end()
    line = Line()
    jobs = Jobs(line.selector, line.replies)
    jobs.spawn(7, pid, ["sh", "-c", "cat; exit 3"], stdin=True)
    line.until(1)
    jobs.write(8, 1, base64.b64encode(b"hello").decode())
    jobs.close_stdin(1)
    return line.until(4)


@needs_root
def test_the_life_of_a_job(pair: tuple[Namespaces, Namespaces]) -> None:
    started, *later = apart(_whole_life, pair[0].pid)
    assert (started["id"], started["result"]["job"]) == (7, 1)
    assert later == [
        {"id": 8, "result": None},
        {"event": "stdout", "job": 1, "data": base64.b64encode(b"hello").decode()},
        {"event": "exit", "job": 1, "returncode": 3},
    ]


def _lost(pid: int) -> tuple[list[int], list[Any]]:
    """Kill a launcher that has begun one command, and not yet a second."""
    wake_at_childrens_end()
    line = Line()
    table = Table(line)
    signalled = []
    killpg = os.killpg

    def recorded(group: int, signum: int) -> None:
        signalled.append(group)
        if group:
            killpg(group, signum)

    os.killpg = recorded
    job = table.jobs.new(7)
    job.start_by = time.monotonic() + 10
    command = Command(["sleep", "60"])
    start_job(job, table.jobs.launches, pid, command, stdin=False, merge_stderr=False)
    table.jobs.add(job)
    first = line.until(1)[0]["result"]["pid"]
    assert job.launcher is not None
    while not job.launcher.pid:
        line.turn(1)
    second, child = table.add()
    second.launcher = job.launcher
    os.kill(job.launcher.pid, signal.SIGKILL)
    # The end of the launcher is heard first, and that of its command's start then.
    assert line.selector.select(10)
    child.close()
    said = line.until(3)
    table.jobs.kill()
    return [group - first for group in signalled], said[1:]


@needs_root
def test_a_lost_launcher_takes_with_it_what_it_has_begun(
    nodes: tuple[Namespaces, Namespaces],
) -> None:
    signalled, said = apart(_lost, nodes[0].pid)
    # The first job's group, and no other: least of all this process's.
    assert {*signalled} == {0}
    [ended] = [message for message in said if "event" in message]
    assert ended == {"event": "exit", "job": 1, "returncode": -signal.SIGKILL}
    [refused] = [message for message in said if "id" in message]
    assert (refused["id"], refused["error"]["errno"]) == (7, errno.EPIPE)
    assert "try it once more" in refused["error"]["message"]


def _late(pid: int) -> tuple[list[Any], bool]:
    wake_at_childrens_end()
    line = Line()
    jobs = Jobs(line.selector, line.replies)
    jobs.spawn(7, pid, ["sleep", "60"], user="root", limit_s=0)
    starting = jobs.any_starting
    jobs.give_up_late(time.monotonic() + 1)
    jobs.give_up_late(time.monotonic() + 2)
    deadline = time.monotonic() + 10
    while jobs.any_starting and time.monotonic() < deadline:
        line.turn(0.05)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    return line.said(), starting and not jobs.any_starting


@needs_root
def test_a_command_that_begins_too_late_is_given_up_once(
    pair: tuple[Namespaces, Namespaces],
) -> None:
    [reply], forgotten = apart(_late, pair[0].pid)
    assert (reply["id"], reply["error"]["errno"]) == (7, errno.ETIMEDOUT)
    assert forgotten
