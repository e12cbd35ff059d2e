"""Progress of long steps: shown as a bar, as plain lines, or not at all.

Whoever takes long opens a `step`, says how far it is, and leaves it; where that
is shown is decided once, by `make_progress`.  In a notebook it is
`display.notebook_progress` that shows it.  `rich` is imported when the first
step is shown, not before.

"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from playground.display.safe_text import visible_line

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class ProgressStep(Protocol):
    """One step that runs now."""

    def advance(self, count: int = 1) -> None:
        """Say that `count` more of the step's total are done."""

    def note(self, text: str) -> None:
        """Say what is being done at this moment, in a few words."""


class Progress(Protocol):
    """Something that shows steps.  Steps may be nested and come from any thread."""

    def step(self, title: str, total: int | None = None) -> AbstractContextManager[ProgressStep]:
        """Show a step while the block runs.

        ``total`` is how many `ProgressStep.advance` make it whole, None if nobody can
        tell.  A block that raises is shown as failed; the error passes.

        """


def make_progress(quiet: bool = False, file: TextIO | None = None) -> Progress:
    """Return what suits the place: bars, plain lines, or silence.

    Bars for a terminal, a line that goes away for a notebook, lines of text where
    output goes to a file or a pipe, nothing at all with ``quiet``.  ``file`` is standard error
    unless given, so that a script's own output stays clean.

    """
    if quiet:
        return Silent()
    if file is None and _in_notebook():
        from playground.display.notebook_progress import NotebookProgress

        return NotebookProgress()
    stream = file if file is not None else sys.stderr
    if stream is not None and stream.isatty():
        return BarProgress(stream)
    return LineProgress(stream)


class Silent:
    """Shows nothing."""

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[ProgressStep]:
        yield _NoStep()


class _NoStep:
    def advance(self, count: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass


# A step shorter than this is not worth a line: nobody waited for it.
_SHORT_S = 0.5


class LineProgress:
    """Prints one line for each step that takes longer than half a second.

    The line comes when the step ends, and for a step of many seconds one more
    when it begins to be long, so that a log shows what is being waited for.

    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[ProgressStep]:
        title = visible_line(title)
        begin = time.monotonic()
        announce = threading.Timer(_SHORT_S, self._print, [f"{title} ..."])
        announce.daemon = True
        announce.start()
        try:
            yield _NoStep()
        except BaseException:
            self._print(f"{title}: failed after {time.monotonic() - begin:.1f} s")
            raise
        else:
            if (took := time.monotonic() - begin) >= _SHORT_S:
                self._print(f"{title}: done in {took:.1f} s")
        finally:
            announce.cancel()
            announce.join()

    def _print(self, line: str) -> None:
        # None: Python without a standard error, as pythonw has it.
        stream = self._file if self._file is not None else sys.stderr
        if stream is not None:
            with self._lock:
                print(line, file=stream, flush=True)


class BarProgress:
    """Shows steps with `rich`: a spinner or a bar, what is done now, the time.

    Steps that have ended disappear when the outermost one ends; a terminal keeps
    no leftovers.

    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._open = 0
        self._bars: Bars | None = None

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[ProgressStep]:
        bars = self._enter()
        task = bars.add_task(visible_line(title), total=total, note="")
        try:
            yield _BarStep(bars, task)
        finally:
            bars.remove_task(task)
            self._leave()

    def _enter(self) -> Bars:
        with self._lock:
            self._open += 1
            if self._bars is None:
                self._bars = self._make_bars()
                self._bars.start()
            return self._bars

    def _leave(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0 and self._bars is not None:
                self._bars.stop()
                self._bars = None

    def _make_bars(self) -> Bars:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        # markup=False: a note or a title may hold brackets of its own.
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            console=Console(file=self._file) if self._file is not None else None,
            transient=True,
            refresh_per_second=8,
        )


class _BarStep:
    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def advance(self, count: int = 1) -> None:
        self._bars.advance(self._task, count)

    def note(self, text: str) -> None:
        # One line's worth: a bar that wraps scrolls the terminal.
        self._bars.update(self._task, note=visible_line(text)[:48])


def _in_notebook() -> bool:
    """Whether an IPython kernel, which draws in a browser, runs this program."""
    ipython = sys.modules.get("IPython")
    if ipython is None:
        return False
    shell = ipython.get_ipython()
    return shell is not None and shell.__class__.__name__ == "ZMQInteractiveShell"
