"""Work done beside other work, in a thread.

What `concurrent.futures` has, for the few threads of a lab's start: importing that
takes 5 ms, for its logging above all, and every script would wait for it.

"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")
A = TypeVar("A")


class Beside(Generic[T]):
    """A function that runs in a thread; the end of the ``with`` block waits for it.

    >>> with Beside(fetch, url) as fetched:
    ...     do_something_else()
    ...     print(fetched.result())

    """

    def __init__(self, function: Callable[..., T], *args: Any) -> None:
        self._function = function
        self._args = args
        self._error: BaseException | None = None
        self._gate = threading.Event()
        self._called_off = False
        # Up to Python 3.12 `Thread.join` returns at once if one before was interrupted (bpo-45274).
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self._gate.wait()
        try:
            if not self._called_off:
                self._result = self._function(*self._args)
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    def result(self) -> T:
        """Wait, and return what the function returned or raise what it raised."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result

    def __enter__(self) -> Self:
        # An interrupt (Ctrl-C) may come while the thread begins: who leaves the block before
        # it was entered would leave the work going on, and what it makes to nobody.
        started = False
        try:
            self._thread.start()
            started = True
            self._gate.set()
        except BaseException:
            self._called_off = not started
            self._gate.set()
            if started:
                self._done.wait()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._done.wait()
            self._thread.join()
        except BaseException:  # who leaves the block by an interrupt leaves nothing going on
            self._done.wait()
            raise


def each(function: Callable[[A], T], items: Iterable[A]) -> list[T]:
    """Call a function with each item, all at once; return the results in order.

    All have ended when it returns; the first error in that order is raised.

    """
    with ExitStack() as running:
        others = [running.enter_context(Beside(function, item)) for item in items]
    return [other.result() for other in others]


def start_child(arguments: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a process as `subprocess.Popen` does; an interrupt (Ctrl-C) leaves none.

    One that comes within `subprocess.Popen`, between fork and return, leaves a process that
    nobody waits for: when it ends it is a zombie until this program does.  Python runs
    handlers of signals in its first thread alone, so another one starts the process, and one
    that was started for nobody is ended.

    """
    # https://docs.python.org/3/library/signal.html#signals-and-threads
    started = Beside(lambda: subprocess.Popen(list(arguments), **options))
    try:
        with started:
            pass
        return started.result()
    except BaseException:
        # Whoever was interrupted has waited for its end, or called it off.
        if process := getattr(started, "_result", None):
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        raise
