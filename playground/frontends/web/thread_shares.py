"""Shares of a pool of threads: one lab that hangs takes no more of it than its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

P = ParamSpec("P")
R = TypeVar("R")


class ThreadShare(Executor):
    """At most so many of another executor's threads at once; what is more waits its turn.

    What waits takes no thread.  Safe to be used by several threads.

    """

    def __init__(self, threads: Executor, most: int) -> None:
        self._threads = threads
        self._free = most
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._lock = threading.Lock()

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call a function in one of the threads, as soon as one of the share is free."""
        future: Future[R] = Future()
        with self._lock:
            self._waiting.append((future, partial(function, *args, **kwargs)))
        self._go_on()
        return future

    def _go_on(self) -> None:
        with self._lock:
            if not self._free or not self._waiting:
                return
            self._free -= 1
            future, call = self._waiting.popleft()
        try:
            done = self._threads.submit(self._call, future, call)
        except RuntimeError:  # it was shut down
            future.cancel()
            return
        # A pool that is shut down cancels what it has not begun.
        done.add_done_callback(lambda one: future.cancel() if one.cancelled() else None)

    def _call(self, future: Future[Any], call: Callable[[], Any]) -> None:
        try:
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
        finally:
            with self._lock:
                self._free += 1
            self._go_on()


class ThreadShares:
    """The shares of all labs in one pool, by lab; what nobody uses is forgotten."""

    def __init__(self, threads: Executor, most: int) -> None:
        self._threads, self._most = threads, most
        self._lock = threading.Lock()
        self._shares: WeakValueDictionary[str, ThreadShare] = WeakValueDictionary()

    def of(self, lab: str) -> ThreadShare:
        """Return the share of a lab: the same as long as somebody has it."""
        with self._lock:
            share = self._shares.get(lab)
            if share is None:
                share = self._shares[lab] = ThreadShare(self._threads, self._most)
            return share
