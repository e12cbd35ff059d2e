"""The stdin of a job: what is written, when it is replied, and how it ends."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from playground.agent.line.job_input import READS_NO_MORE, JobInput
from tests.support_line import Line


class Command:
    """A command's stdin, and the agent's end of it."""

    def __init__(self, line: Line) -> None:
        self.stdin = JobInput(line.selector, line.replies)
        self.fd, self.stdin.fd = os.pipe()
        os.set_blocking(self.stdin.fd, False)

    def read(self) -> bytes:
        return os.read(self.fd, 1 << 20)


@pytest.fixture
def command(line: Line) -> Iterator[Command]:
    made = Command(line)
    yield made
    made.stdin.close("")
    os.close(made.fd)


def test_a_job_without_stdin_takes_none(line: Line) -> None:
    stdin = JobInput(line.selector, line.replies)
    with pytest.raises(BrokenPipeError, match=READS_NO_MORE):
        stdin.write(b"x", 1)
    stdin.end(terminal=False)
    stdin.close("")
    assert line.said() == []


def test_what_a_pipe_holds_is_written_at_once(line: Line, command: Command) -> None:
    command.stdin.write(b"one ", 1)
    command.stdin.write(b"", 2)
    command.stdin.write(b"two", 3)
    assert [reply["id"] for reply in line.said()] == [1, 2, 3]
    assert command.read() == b"one two"


def test_more_is_replied_to_when_the_command_has_read_it(line: Line, command: Command) -> None:
    long = bytes(range(256)) * 1024
    command.stdin.write(long, 1)
    command.stdin.write(b"the end", 2)
    line.turn()
    assert line.said() == []
    read = b""
    while len(read) < len(long) + 7:
        read += command.read()
        line.turn()
    assert read == long + b"the end"
    assert line.said() == [{"id": 1, "result": None}, {"id": 2, "result": None}]
    # An empty pipe would be ready for ever.
    assert command.stdin.fd not in line.selector.get_map()


def test_the_end_comes_after_what_was_asked_for(line: Line, command: Command) -> None:
    command.stdin.write(b"x" * 100_000, 1)
    command.stdin.end(terminal=False)
    command.stdin.end(terminal=False)
    with pytest.raises(BrokenPipeError, match=READS_NO_MORE):
        command.stdin.write(b"y", 2)
    read = 0
    while data := command.read():
        read += len(data)
        line.turn()
    assert read == 100_000
    assert command.stdin.fd == -1
    assert line.said() == [{"id": 1, "result": None}]


def test_nothing_under_way_is_ended_at_once(command: Command) -> None:
    command.stdin.end(terminal=False)
    assert (command.read(), command.stdin.fd) == (b"", -1)


def test_a_terminal_is_told_by_a_character(line: Line, command: Command) -> None:
    command.stdin.write(b"bye", 1)
    command.stdin.end(terminal=True)
    assert command.read() == b"bye\x04"
    assert [reply["id"] for reply in line.said()] == [1]


def test_a_command_that_reads_no_more(line: Line, command: Command) -> None:
    command.stdin.write(b"x" * 100_000, 1)
    command.stdin.write(b"y", 2)
    reader = command.fd
    command.fd = os.open("/dev/null", os.O_RDONLY)
    os.close(reader)
    line.turn()
    errors = [(reply["id"], reply["error"]) for reply in line.said()]
    assert [(number, error["errno"]) for number, error in errors] == [
        (1, errno.EPIPE),
        (2, errno.EPIPE),
    ]
    assert {error["message"] for _, error in errors} == {READS_NO_MORE}
    assert command.stdin.fd == -1


def test_who_waits_is_told_why_it_is_closed(line: Line, command: Command) -> None:
    fd = command.stdin.fd
    command.stdin.write(b"x" * 100_000, 1)
    command.stdin.close("the command has ended")
    command.stdin.close("once more")
    assert [reply["error"]["message"] for reply in line.said()] == ["the command has ended"]
    assert fd not in line.selector.get_map()
