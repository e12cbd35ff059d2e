"""A poller that another thread may ask to do something."""

from __future__ import annotations

import queue
import socket
from collections.abc import Callable
from typing import Any

from playground.agent.ports.polling import Poller


class Running:
    """A poller, and what it is to do between two events."""

    def __init__(self, poller: Poller) -> None:
        self.poller = poller
        self._waker, self.wake = socket.socketpair()
        self._asked: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

    def do(self, call: Callable[[], object]) -> None:
        self._asked.put(call)
        self._waker.send(b"x")

    def get(self, call: Callable[[], Any]) -> Any:
        """Do it, and return what it returns."""
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.do(lambda: answers.put(call()))
        return answers.get(timeout=10)

    def woken(self, events: int) -> None:
        self.wake.recv(1)
        self._asked.get()()

    def close(self) -> None:
        self._waker.close()
        self.wake.close()
        self.poller.close()
