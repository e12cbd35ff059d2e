"""Processes that commands leave in the background, and their end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from playground.agent.line import left_behind
from playground.agent.line.left_behind import LeftBehind
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, connect, needs_root


@pytest.fixture(scope="module")
def agent() -> Iterator[Client]:
    with connect(network=False) as client:
        yield client


@pytest.fixture(scope="module")
def node() -> Iterator[Namespaces]:
    with Namespaces("h1") as namespaces:
        yield namespaces


def shell(agent: Client, node: Namespaces, line: str) -> bytes:
    return agent.spawn(node.pid, ["/bin/sh", "-c", line]).communicate(timeout_s=20)[0]


@needs_root
def test_what_a_command_left_is_killed_and_what_still_runs_is_not(
    agent: Client, node: Namespaces
) -> None:
    running = agent.spawn(node.pid, ["sleep", "600"])
    # Not beside it: until setsid(1) has begun it is in the group of all.
    shell(agent, node, "setsid sh -c 'sleep 603 >/dev/null 2>&1 &'")
    shell(agent, node, "sleep 601 & sleep 602 >/dev/null 2>&1 &")
    assert agent.call("kill_background", pid=node.pid) == 2
    assert agent.call("kill_background", pid=node.pid) == 0
    words = shell(agent, node, "cat /proc/[0-9]*/cmdline").replace(b"\0", b" ")
    assert b"sleep 600" in words and b"sleep 603" in words
    assert b"sleep 601" not in words and b"sleep 602" not in words
    running.signal(signal.SIGKILL)


@needs_root
def test_those_of_another_node_go_on(agent: Client, node: Namespaces) -> None:
    with Namespaces("h2") as other:
        shell(agent, other, "sleep 604 &")
        assert agent.call("kill_background", pid=node.pid) == 0
        assert agent.call("kill_background", pid=other.pid) == 1


def test_a_number_that_means_others_by_now_is_not_killed() -> None:
    """A group of this machine has the number of one that was noted in a node."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        left = LeftBehind()
        left.note(2**22 + 1, stranger.pid)  # a node that has ended
        assert left.kill(2**22 + 1) == 0
        time.sleep(0.01)
        assert stranger.poll() is None
        stranger.kill()


def test_what_would_not_go_is_killed_when_it_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone, rows = False, {7: 2**22 + 3}
    monkeypatch.setattr(left_behind, "_members", lambda node: dict(rows))
    monkeypatch.setattr(left_behind, "_GONE_LIMIT_S", 0.01)
    monkeypatch.setattr(os, "killpg", lambda group, number: rows.clear() if gone else None)
    left = LeftBehind()
    left.note(1, 2**22 + 3)
    with pytest.raises(TimeoutError, match="1 processes were killed and are not gone"):
        left.kill(1)
    gone = True
    assert left.kill(1) == 1
    rows[7] = 2**22 + 3
    assert left.kill(1) == 0


def test_a_command_that_never_began_has_no_group() -> None:
    left = LeftBehind()
    left.note(os.getpid(), 0)
    assert left.kill(os.getpid()) == 0
