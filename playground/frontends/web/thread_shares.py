"""Threads for what waits: each lab has its own few, so that one that hangs holds up no other."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from playground.errors import NotReady

P = ParamSpec("P")
R = TypeVar("R")


class ThreadShare(Executor):
    """At most so many threads at once; what is more waits its turn, and takes no thread.

    A thread begins when there is something to do and ends when there is no more, so that a lab
    which nobody asks costs nothing.  None of them keeps the program from ending.  Safe to be used
    by several threads.

    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._working = 0
        self._closed = False
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._lock = threading.Lock()

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call a function in one of the threads, as soon as one of the share is free.

        After `shutdown` the future is cancelled at once.

        """
        future: Future[R] = Future()
        with self._lock:
            if self._closed:
                future.cancel()
                return future
            self._waiting.append((future, partial(function, *args, **kwargs)))
            if self._working >= self._most:
                return future
            self._working += 1
        try:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        except RuntimeError:  # the machine has no thread left: whoever works now takes it
            with self._lock:
                self._working -= 1
                alone = not self._working
            if alone:
                raise
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more, and cancel what waits; what is being done is not waited for."""
        with self._lock:
            self._closed = True
            waiting = [*self._waiting]
            self._waiting.clear()
        for future, _ in waiting:
            future.cancel()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._working -= 1
                    return
                future, call = self._waiting.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
            # What was done keeps nothing alive while the thread waits for more.
            del future, call


class ThreadShares:
    """The shares of all labs, by lab; one that nobody uses is forgotten.

    A share is used as long as one of its threads waits for a lab, so that who opens the page of a
    lab that hangs again and again gets no more threads by it.

    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._shares: WeakValueDictionary[str, ThreadShare] = WeakValueDictionary()

    def of(self, lab: str) -> ThreadShare:
        """Return the share of a lab: the same as long as somebody has it."""
        with self._lock:
            share = self._shares.get(lab)
            if share is None:
                share = self._shares[lab] = ThreadShare(self._most, f"playground web {lab}")
            return share

    def shutdown(self) -> None:
        """Let no share take anything more."""
        with self._lock:
            shares = [*self._shares.values()]
        for share in shares:
            share.shutdown()


async def within(limit_s: float, what: str, threads: Executor, call: Callable[[], R]) -> R:
    """Call a function in one of these threads, and return its result; wait no longer than this.

    Raises `NotReady` after ``limit_s`` seconds, with ``what`` as who did not answer.  What has
    begun goes on in its thread; what still waited for one is left out.

    """
    waited = asyncio.get_running_loop().run_in_executor(threads, call)
    try:
        return await asyncio.wait_for(waited, limit_s)
    except TimeoutError:
        if not waited.cancelled():  # its own error
            raise
        raise NotReady(
            f"{what} has not answered within {limit_s:g} s: its machines hang or have much to do; "
            "other labs are not held up by it"
        ) from None
