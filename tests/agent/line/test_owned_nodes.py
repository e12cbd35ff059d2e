"""First processes that end with the agent, and those that do not."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from playground.agent.line.owned_nodes import OwnedNodes
from tests.support_line import open_files


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    made = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    yield made
    for process in made:
        process.kill()
        process.wait()


def test_what_is_owned_is_killed_and_nothing_else(
    processes: list[subprocess.Popen[bytes]],
) -> None:
    mine, other = processes
    nodes = OwnedNodes()
    assert nodes.first() is None
    assert nodes.own([mine.pid]) == []
    assert nodes.first() == mine.pid
    nodes.kill()
    assert mine.wait(10) == -signal.SIGKILL
    assert other.poll() is None
    nodes.disown()


def test_what_is_disowned_lives_on(processes: list[subprocess.Popen[bytes]]) -> None:
    before = open_files()
    nodes = OwnedNodes()
    nodes.own([process.pid for process in processes])
    nodes.disown()
    nodes.kill()
    assert nodes.first() is None
    assert [process.poll() for process in processes] == [None, None]
    assert open_files() == before


def test_what_has_ended_is_said_and_not_kept(processes: list[subprocess.Popen[bytes]]) -> None:
    before = open_files()
    first, second = processes
    nodes = OwnedNodes()
    first.kill()
    first.wait()
    # One that is gone whole; the other has nobody waited for yet.
    assert nodes.own([first.pid, second.pid, second.pid]) == [first.pid]
    second.kill()
    os.waitid(os.P_PID, second.pid, os.WEXITED | os.WNOWAIT)
    assert nodes.own([second.pid]) == [second.pid]
    assert nodes.first() is None
    assert open_files() == before


def test_killing_what_has_ended_since_is_no_error(
    processes: list[subprocess.Popen[bytes]],
) -> None:
    nodes = OwnedNodes()
    nodes.own([process.pid for process in processes])
    processes[0].kill()
    processes[0].wait()
    nodes.kill()
    assert processes[1].wait(10) == -signal.SIGKILL
    nodes.disown()


def test_before_linux_5_3_they_are_killed_by_number(
    processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(pid: int, flags: int = 0) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", unknown)
    mine, other = processes
    nodes = OwnedNodes()
    assert nodes.own([mine.pid]) == []
    nodes.kill()
    assert mine.wait(10) == -signal.SIGKILL
    assert nodes.own([mine.pid]) == [mine.pid]
    assert other.poll() is None
