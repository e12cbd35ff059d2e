"""The supervisor's decisions: what it keeps of a log, when it starts a program again."""

from __future__ import annotations

import errno
import json
import os
import selectors
import signal
import socket
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playground.agent.line import supervisor
from playground.agent.line.supervisor import LOG_BYTES, Output, SupervisedProgram, Supervisor
from playground.agent.protocol import describe


def program(**request: Any) -> SupervisedProgram:
    return SupervisedProgram({"pid": 1, "name": "main", "argv": ["true"], **request})


def test_the_last_of_a_log_is_kept() -> None:
    output = Output()
    output.add(b"first")
    for number in range(40):
        output.add(bytes([number]) * (LOG_BYTES // 16))
    content = output.content()
    assert len(content) == LOG_BYTES
    assert content[-1] == 39
    assert b"first" not in content


def test_a_log_in_small_pieces_takes_no_more_memory() -> None:
    output = Output()
    tracemalloc.start()
    try:
        for number in range(50_000):
            output.add(b"%d\n" % (number % 10))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 300_000  # of 100,000 that are kept
    assert output.content()[-6:] == b"7\n8\n9\n"


@pytest.mark.parametrize(
    ("restart", "returncode", "restarts", "again"),
    [
        (None, 1, 0, False),
        ({"when": "no", "most": None}, 1, 0, False),
        ({"when": "always", "most": None}, 0, 99, True),
        ({"when": "unless-stopped", "most": None}, 0, 99, True),
        ({"when": "on-failure", "most": None}, 0, 0, False),
        ({"when": "on-failure", "most": None}, -9, 99, True),
        ({"when": "on-failure", "most": 2}, 1, 1, True),
        ({"when": "on-failure", "most": 2}, 1, 2, False),
    ],
    ids=repr,
)
def test_when_a_program_is_started_again(
    restart: dict[str, Any] | None, returncode: int, restarts: int, again: bool
) -> None:
    ended = program(restart=restart)
    ended.restarts = restarts
    assert ended.restarts_after(returncode) is again


def test_a_program_is_settled_when_it_is_as_it_should_be() -> None:
    one = program()
    assert one.settled  # neither wanted nor there
    one.wanted = True
    assert not one.settled
    one.pid = 7
    assert one.settled
    one.wanted = False
    assert not one.settled


def test_what_is_no_command_is_refused() -> None:
    with pytest.raises(TypeError, match="argv must be a list of words"):
        program(argv=[])


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    """A supervisor whose loop a test turns by hand."""
    monkeypatch.setattr(supervisor, "SOCKET_PATH", str(tmp_path / "programs"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(supervisor.SOCKET_PATH)
        listener.listen()
        listener.setblocking(False)
        yield Supervisor(listener)


def test_a_restart_without_a_free_descriptor_ends_no_other_program(
    started: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_pipe() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "Too many open files")

    one = program()
    monkeypatch.setattr(os, "pipe", no_pipe)
    started._want(one)
    assert one.settled
    assert one.status()["error"]["message"] == "Too many open files"


def test_what_fails_for_one_program_is_told_of_it_and_written_down(
    started: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strange(*arguments: Any) -> tuple[int, socket.socket]:
        raise KeyError("CapInh")

    monkeypatch.setattr(supervisor, "start_in_node", strange)
    before = os.listdir("/proc/self/fd")
    one = program()
    started._want(one)
    assert one.status()["error"]["type"] == "KeyError"
    assert supervisor.last_words().endswith("KeyError: 'CapInh'\n")
    assert os.listdir("/proc/self/fd") == before


def test_nothing_is_sent_to_the_number_of_a_program_that_is_over(
    started: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, int]] = []
    child = os.posix_spawnp("true", ["true"], os.environ)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    channel, other = socket.socketpair()

    def start(*arguments: Any) -> tuple[int, socket.socket]:
        return child, channel

    monkeypatch.setattr(supervisor, "start_in_node", start)
    one = program()
    started._programs[1, "main"] = one
    started._want(one)
    other.close()  # it has begun, says its line
    started._stop(one)  # which was asked for before that was read
    waitpid = os.waitpid

    def given_back(pid: int, options: int) -> tuple[int, int]:
        answer = waitpid(pid, options)
        monkeypatch.setattr(os, "kill", lambda *words: sent.append(words))
        return answer

    monkeypatch.setattr(os, "waitpid", given_back)
    waitid = os.waitid

    def of_this_child(*words: int) -> Any:
        return waitid(os.P_PID, child, words[2])

    monkeypatch.setattr(os, "waitid", of_this_child)
    reader, writer = os.pipe()
    os.close(writer)
    started._reap(reader, 0)
    os.close(reader)
    assert sent == []
    assert one.settled
    assert one.returncode == 0


def test_who_calls_where_no_descriptor_is_free_waits_and_nothing_spins(
    started: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(listener: socket.socket) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    started._listen()
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(supervisor.SOCKET_PATH)
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "accept", refused)
            started._accept(started._listener.fileno(), 0)
        assert started._selector.select(0) == []
        assert 0 < started._patience() < 1
        started._accept_at = 0.0
        started._do_what_is_due()
        assert len(started._selector.select(0)) == 1


def test_what_fails_in_the_loop_ends_it_for_nobody(
    started: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strange(fd: int, events: int) -> None:
        started._selector.unregister(fd)
        raise ZeroDivisionError

    monkeypatch.setattr(supervisor, "_START_LIMIT_S", 0.05)
    monkeypatch.setattr(signal, "set_wakeup_fd", lambda fd, **words: -1)
    before = signal.getsignal(signal.SIGCHLD)
    here, there = socket.socketpair()
    with here, there:
        there.send(b"x")
        started._selector.register(here, selectors.EVENT_READ, strange)
        try:
            started.serve()  # to its end, as no node has a program
        finally:
            signal.signal(signal.SIGCHLD, before)
    assert "ZeroDivisionError" in supervisor.last_words()


@pytest.mark.parametrize("closed", [True, False], ids=["end of file", "process over"])
@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            json.dumps(describe(OSError(0, "\N{SNOWMAN}" * 100_000), False)),
            "\N{SNOWMAN}" * 4000 + "...",
        ),
        ("[" * 100_000, "what it said of its start cannot be read"),
        ('{"message": 7}', "what it said of its start cannot be read"),
        ('{"message": "half', "what it said of its start cannot be read"),
    ],
    ids=["long", "deep", "odd", "half"],
)
def test_whatever_a_start_says_is_an_error_of_that_program(
    started: Supervisor, monkeypatch: pytest.MonkeyPatch, said: str, message: str, closed: bool
) -> None:
    channel, other = socket.socketpair()

    def begun(*arguments: Any) -> tuple[int, socket.socket]:
        return 2**22 + 1, channel  # more than any process has

    monkeypatch.setattr(supervisor, "start_in_node", begun)
    one = program()
    started._want(one)
    for begin in range(0, len(said), 1 << 15):  # in parts, as the kernel likes
        other.sendall(said[begin : begin + (1 << 15)].encode())
        started._started(one)
    assert one.error is None
    if closed:
        other.close()
        started._started(one)
    else:
        started._over(one, 127)
        other.close()
    assert one.status()["error"]["message"] == message
    started._close(one)
