"""A poller: which function is to be called when a descriptor can be read or written."""

from __future__ import annotations

import contextlib
import select
from collections.abc import Callable
from typing import Protocol

READ, WRITE = select.EPOLLIN, select.EPOLLOUT
# That a connection broke; the kernel tells of it with others too: epoll_ctl(2).
BROKEN = select.EPOLLERR


class HasDescriptor(Protocol):
    """A socket, or anything else with a descriptor."""

    def fileno(self) -> int: ...


class Handle:
    """A bare descriptor, which is somebody else's."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd


class Poller:
    """An epoll(7) with a function for each descriptor; ``run`` until somebody says `stop`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._calls: dict[int, tuple[int, Callable[[int], None]]] = {}
        self._running = True

    def watch(self, what: HasDescriptor, events: int, call: Callable[[int], None]) -> None:
        """Call a function with what happened, at each of these events; 0 watches no more.

        The kernel tells of a connection that broke whatever is asked for; only with 0 not.
        Raises `OSError` where it has no more room.

        """
        fd = what.fileno()
        before = self._calls.get(fd)
        if events == 0:
            if before is not None:
                self.forget(what)
            return
        # What the kernel refuses is not watched: epoll_ctl(2).
        if before is None:
            self._epoll.register(fd, events)
        elif before[0] != events:
            self._epoll.modify(fd, events)
        self._calls[fd] = (events, call)

    def forget(self, what: HasDescriptor) -> None:
        """Watch it no more: before it is closed.  May be repeated."""
        if self._calls.pop(what.fileno(), None) is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(what.fileno())

    def run(self) -> None:
        while self._running:
            for fd, events in self._epoll.poll():
                # An earlier event of this round may have closed it.
                found = self._calls.get(fd)
                if found is not None:
                    found[1](events)

    def stop(self) -> None:
        self._running = False

    def close(self) -> None:
        self._epoll.close()
