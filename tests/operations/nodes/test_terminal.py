"""A shell on a node, typed into through a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

from playground.engines.seam import Engine

PROGRAM = """
import fcntl, sys, termios
from playground import Host, Lab

fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # this terminal is ours: it sends us SIGWINCH
h1 = Host("h1")
with Lab(h1, name="terminal", quiet=True):
    before = termios.tcgetattr(0)
    print("ended with", h1.shell())
    print("ended with", h1.shell("stty size; read word; exit 7"))
    print("ended with", h1.shell("head -c 500000 /dev/zero | tr '\\\\0' x; echo", user="student"))
    print("restored:", termios.tcgetattr(0) == before)
"""


class Typist:
    """Types into a program's terminal and reads its screen."""

    def __init__(self) -> None:
        self._terminal, slave = pty.openpty()
        self.resize(24, 80)
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._seen = ""

    def resize(self, lines: int, columns: int) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def read_until(self, words: str, timeout_s: float = 60) -> str:
        deadline = time.monotonic() + timeout_s
        while words not in self._seen:
            ready, _, _ = select.select([self._terminal], [], [], deadline - time.monotonic())
            assert ready, f"{words!r} did not come, but {self._seen!r}"
            self._seen += os.read(self._terminal, 65536).decode("utf-8", "replace")
        before, _, self._seen = self._seen.partition(words)
        return before

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._terminal)


@pytest.fixture
def typist(engine: Engine) -> Iterator[Typist]:
    typist = Typist()
    yield typist
    typist.close()


def test_a_shell_in_a_terminal(typist: Typist) -> None:
    typist.read_until("h1:")
    typist.type("stty size; echo $TERM-$((40+2))\r")
    typist.read_until("24 80")
    typist.read_until("-42")

    typist.resize(40, 120)
    # The size travels while we type: ask until it is there.
    typist.type("until [ \"$(stty size)\" = '40 120' ]; do sleep 0.05; done; echo size-$((40+3))\r")
    typist.read_until("size-43")

    typist.type("sleep 7134\r")
    typist.read_until("sleep 7134")
    time.sleep(0.2)  # for the shell to start it; Ctrl-C too early does no harm
    typist.type("\x03")
    typist.type("exit 3\r")
    typist.read_until("ended with 3")

    typist.read_until("40 120")
    typist.type("word\r")
    typist.read_until("ended with 7")

    assert typist.read_until("ended with 0").count("x") == 500_000
    typist.read_until("restored: True")
    assert typist.process.wait(60) == 0
