"""Things done at set times while a lab runs: `Timetable` and `Planned`.

One thread does them, in the order of their times; it lives only while something is
planned.  It knows nothing of labs.

"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from playground.display.tables import Table
from playground.errors import BadArgument, NotReady
from playground.model.arguments import LONGEST_S, is_number, shown, tells_wrong_calls
from playground.model.records import dataclass


@tells_wrong_calls
class Planned:
    """Something that is to be done once; `Timetable.at` returns it.

    ``after_s`` is when, in seconds, as it was said; ``what`` says it in words.

    """

    def __init__(self, after_s: float, action: Callable[[], object], what: str) -> None:
        self.after_s = after_s
        self.what = what
        self._action = action
        self._error: BaseException | None = None
        self._state = "planned"
        self._ended = threading.Event()

    @property
    def state(self) -> str:
        """One of "planned", "done", "failed" and "cancelled"."""
        return self._state

    def cancel(self) -> None:
        """Leave it undone, if it has not begun."""
        if self._state == "planned":
            self._state = "cancelled"
            self._ended.set()

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until it was done or cancelled; raise what went wrong.

        Raises `NotReady` after ``timeout_s`` seconds.

        """
        if timeout_s is not None and not is_number(timeout_s, 0, LONGEST_S):
            raise BadArgument(f"timeout_s={shown(timeout_s)} is no number of seconds")
        if not self._ended.wait(timeout_s):
            raise NotReady(f"{self.what} was not done within {timeout_s:g} s")
        if self._error is not None:
            raise self._error

    def do(self) -> None:
        """Do it now; an error is kept for `wait`, and shown as a warning."""
        if self._state != "planned":
            return
        try:
            self._action()
            self._state = "done"
        except Exception as error:
            self._error = error
            self._state = "failed"
            warnings.warn(
                f"what was planned at {self.after_s:g} s, {self.what}, failed: {error}",
                RuntimeWarning,
                stacklevel=1,
            )
        finally:
            self._ended.set()

    def __repr__(self) -> str:
        return f"<{self.what} at {self.after_s:g} s: {self._state}>"


@dataclass(frozen=True)
class PlannedRow:
    """A row of what is planned: when in seconds, what, and what has become of it."""

    after_s: float
    what: str
    state: str


class Timetable:
    """Planned events, against a clock that begins with `begin` and ends with `end`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._count = itertools.count()
        self._all: list[Planned] = []
        self._due: list[tuple[float, int, Planned]] = []
        self._running = False
        self._thread: threading.Thread | None = None

    def at(
        self, seconds: float, action: Callable[..., object], *args: Any, **kwargs: Any
    ) -> Planned:
        """Plan ``action(*args, **kwargs)``: so long after `begin`, or from now on if that was."""
        if not is_number(seconds, 0, LONGEST_S):
            raise BadArgument(
                f"at({shown(seconds)}, ...): give a number of seconds, 0 or more, "
                "and no more than three years"
            )
        if not callable(action):
            raise BadArgument(
                f"at({seconds!r}, {shown(action)}): give what is to be called, without calling it: "
                f"lab.at(5, link.down)"
            )
        planned = Planned(seconds, lambda: action(*args, **kwargs), _words(action, args, kwargs))
        with self._changed:
            self._all.append(planned)
            if self._running:
                self._put(planned)
        return planned

    def begin(self) -> None:
        """Start the clock; what was planned before counts from here."""
        with self._changed:
            if not self._running:
                self._running = True
                for planned in self._all:
                    if planned.state == "planned":
                        self._put(planned)

    def end(self) -> None:
        """Cancel what was not done, and stop the clock."""
        with self._changed:
            self._running = False
            for planned in self._all:
                planned.cancel()
            self._all.clear()
            self._due.clear()
            self._changed.notify_all()

    def rows(self) -> Table[PlannedRow]:
        """Return all that was planned, in the order of their times."""
        with self._changed:
            rows = [PlannedRow(item.after_s, item.what, item.state) for item in self._all]
        return Table(sorted(rows, key=lambda row: row.after_s))

    def _put(self, planned: Planned) -> None:
        heapq.heappush(self._due, (self._clock() + planned.after_s, next(self._count), planned))
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="timetable", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _serve(self) -> None:
        while True:
            with self._changed:
                if not self._due:
                    self._thread = None
                    return
                left_s = self._due[0][0] - self._clock()
                if left_s > 0:
                    self._changed.wait(left_s)
                    continue
                _, _, planned = heapq.heappop(self._due)
            planned.do()


def _words(action: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    name = getattr(action, "__name__", type(action).__name__)
    owner = getattr(action, "__self__", None)
    given = [repr(arg) for arg in args] + [f"{key}={value!r}" for key, value in kwargs.items()]
    whose = f"{owner!r}." if owner is not None else ""
    return f"{whose}{name}({', '.join(given)})"
