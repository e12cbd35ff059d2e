"""Whoever calls a socket that listens, taken as long as there are descriptors for it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from playground.agent.ports.polling import READ, Poller

_AT_ONCE = 64
# Where none of the descriptors is ours to give back: so often they are asked for.
_PAUSE_S = 0.01


class Acceptor:
    """A listening TCP socket; ``called`` is given each connection to it.

    Without descriptors nobody is taken until `one_left`: what waits would be told of over
    and over.  ``has_some`` says whether there is anybody that may yet leave.

    """

    def __init__(
        self,
        poller: Poller,
        listener: socket.socket,
        called: Callable[[socket.socket], None],
        has_some: Callable[[], bool],
    ) -> None:
        self._poller = poller
        self._listener = listener
        self._called = called
        self._has_some = has_some
        self._is_closed = False
        self.one_left()

    def one_left(self) -> None:
        """Take callers again: a descriptor has become free."""
        if not self._is_closed:
            self._poller.watch(self._listener, READ, self._take)

    def close(self) -> None:
        """Take nobody more; the socket stays the caller's."""
        self._is_closed = True
        self._poller.forget(self._listener)

    def _take(self, events: int) -> None:
        for _ in range(_AT_ONCE):
            try:
                caller, _ = self._listener.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError:
                if self._has_some():
                    self._poller.watch(self._listener, 0, self._take)
                else:
                    time.sleep(_PAUSE_S)
                return
            self._called(caller)
