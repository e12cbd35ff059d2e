"""A process that stays when the one that began it has ended."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from playground.agent.network.staying import begin_each, stay
from playground.agent.protocol import Request


def test_a_child_goes_on_with_what_it_needs_and_nothing_else() -> None:
    reader, writer = os.pipe()
    unused, held = os.pipe()
    child = os.fork()
    if child == 0:
        # Whatever happens, this process must not go on as another pytest.
        try:
            if stay((writer,)):
                alone = os.getpid() == os.getsid(0)
                deaf = signal.getsignal(signal.SIGALRM) == signal.SIG_IGN
                there = {int(name) for name in os.listdir("/proc/self/fd")}
                os.write(writer, f"{alone} {deaf} {held in there}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    assert os.waitpid(child, 0)[1] == 0  # while the other goes on
    with os.fdopen(reader, "rb") as said:
        assert said.read() == b"True True False"
    for fd in (unused, held):
        os.close(fd)


def _answer(item: Request, deadline: float, writer: int) -> None:
    try:
        if "reply" in item:
            os.write(writer, json.dumps(item["reply"]).encode())
    finally:
        os._exit(0)


def test_each_answers_in_its_place_and_an_error_is_raised_here() -> None:
    before = len(os.listdir("/proc/self/fd"))
    by = time.monotonic() + 5
    answers = [{"reply": {"result": number}} for number in range(3)]
    assert begin_each(answers, _answer, by) == [0, 1, 2]
    with pytest.raises(TimeoutError, match="no server"):
        begin_each([{"reply": {"error": "no server", "errno": 110}}, *answers], _answer, by)
    with pytest.raises(OSError, match="it ended"):
        begin_each([{}, *answers], _answer, by)
    assert len(os.listdir("/proc/self/fd")) == before, "descriptors are left open"
    for _ in range(3 + 4 + 4):
        os.waitpid(-1, 0)
