"""The published ports of a lab, each with a socket by which it is asked and ended.

A carrier lives as long as its node, which may be longer than the agent that made it.  So
each listens at an abstract address of unix(7) in the agent's own network namespace, where
every agent of this lab finds it, no node gets to it, and the kernel forgets it with its
process.

"""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from playground.agent.kernel.syscalls import read_text
from playground.agent.ports.polling import READ, Poller
from playground.agent.protocol import Request

_NAME = "playground.published."
_TELL, _END = b"tell", b"end"

# A carrier answers between two events; it is never longer at work than with one of them.
_LIMIT_S = 5.0


def open_register(key: str) -> socket.socket:
    """Open the socket of one published port; raises FileExistsError where there is one."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        made.bind(f"\0{_NAME}{key}")
        made.listen()
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


class Register:
    """A carrier's end: tells of itself, and says when it is to end."""

    def __init__(self, poller: Poller, opened: socket.socket, row: Request) -> None:
        self._poller = poller
        self._opened = opened
        self._row = json.dumps(row).encode()
        self._lines: set[socket.socket] = set()
        poller.watch(opened, READ, self._called)

    def _called(self, events: int) -> None:
        try:
            line, _ = self._opened.accept()
        except OSError:
            return
        line.setblocking(False)
        self._lines.add(line)
        self._poller.watch(line, READ, lambda events: self._asked(line))

    def _asked(self, line: socket.socket) -> None:
        try:
            wish = line.recv(64)
            if wish == _TELL:
                line.send(self._row)
        except OSError:
            wish = b""
        if wish == _END:
            # Who asked waits for the end of this line, which is the process's.
            self._poller.stop()
        elif wish != _TELL:
            self._drop(line)

    def _drop(self, line: socket.socket) -> None:
        self._poller.forget(line)
        self._lines.discard(line)
        line.close()

    def close(self) -> None:
        """Let all who asked go; the opened socket stays the caller's."""
        self._poller.forget(self._opened)
        for line in [*self._lines]:
            self._drop(line)


def _keys() -> list[str]:
    found = re.findall(
        rf" @{re.escape(_NAME)}(\S+)$", read_text("/proc/thread-self/net/unix"), re.M
    )
    return list(dict.fromkeys(found))


@contextlib.contextmanager
def _line(key: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.settimeout(_LIMIT_S)
        line.connect(f"\0{_NAME}{key}")
        yield line


def published() -> list[Request]:
    """Return what each carrier of this lab says of itself."""
    rows: list[dict[str, Any]] = []
    for key in _keys():
        # One may end meanwhile.
        with contextlib.suppress(OSError, ValueError), _line(key) as line:
            line.send(_TELL)
            rows.append(json.loads(line.recv(1 << 16)))
    return rows


def unpublish(keys: Sequence[str]) -> None:
    """End carriers, and wait until they have; one that has ended already is no error."""
    for key in keys:
        with contextlib.suppress(ConnectionError, FileNotFoundError), _line(key) as line:
            line.send(_END)
            line.recv(1)
