"""Progress of long steps in a notebook: one line, which is gone when they have ended.

rich would draw there by way of ipywidgets, whose widget leaves an empty box in the cell,
and "Output()" in the notebook when it is saved.

"""

from __future__ import annotations

import contextvars
import html
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from IPython.display import DisplayHandle

from playground.display.safe_text import visible_line

# A step shorter than this is not worth a line: nobody waited for it.
SHORT_S = 0.5

# Often enough that it seems to move.
REFRESH_S = 0.25


class _Step:
    def __init__(self, title: str, total: int | None) -> None:
        self.title = visible_line(title)
        self.total = total
        self.done = 0
        self.noted = ""

    def advance(self, count: int = 1) -> None:
        self.done += count

    def note(self, text: str) -> None:
        self.noted = visible_line(text)[:80]


class NotebookProgress:
    """Shows the innermost step that runs, if it takes longer than half a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: list[_Step] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[_Step]:
        """Show a step while the block runs."""
        step = _Step(title, total)
        with self._lock:
            self._steps.append(step)
            if self._thread is None:
                # In this one's context, by which the kernel knows which cell it is.
                show = contextvars.copy_context().run
                self._ended = threading.Event()
                self._thread = threading.Thread(
                    target=show, args=(self._show, self._ended), name="playground progress"
                )
                self._thread.daemon = True
                self._thread.start()
        try:
            yield step
        finally:
            with self._lock:
                self._steps.remove(step)
                thread = None if self._steps else self._thread
                if thread is not None:
                    self._thread = None
                    self._ended.set()
            if thread is not None:
                thread.join()

    def _show(self, ended: threading.Event) -> None:
        begin = time.monotonic()
        if ended.wait(SHORT_S):
            return
        line: Any = DisplayHandle()  # type: ignore[no-untyped-call]
        line.display(self._line(time.monotonic() - begin), raw=True)
        while not ended.wait(REFRESH_S):
            line.update(self._line(time.monotonic() - begin), raw=True)
        line.update({"text/html": "", "text/plain": ""}, raw=True)

    def _line(self, took_s: float) -> dict[str, str]:
        with self._lock:
            step = self._steps[-1] if self._steps else _Step("", None)
        known = f' value="{step.done}" max="{step.total}"' if step.total else ""
        words = [step.title, f"{took_s:.0f} s", step.noted]
        first, *rest = (html.escape(word) for word in words)
        return {
            "text/html": f"<progress{known}></progress> {first} <small>{' '.join(rest)}</small>",
            "text/plain": " ".join(words),
        }
