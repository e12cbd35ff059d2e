"""Rows of the table as data: what each is, how it is measured, and how it is written.

Nothing here starts a lab.

"""

from __future__ import annotations

import contextlib
import signal
import statistics
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

Say = Callable[[str], None]


class Kind(Enum):
    """What the number of a row is, which decides how it is written."""

    RATIO = "ours by theirs"
    SHARE = "ours of theirs, in percent"
    SECONDS = "seconds"
    MEGABYTES = "MB"


@dataclass(frozen=True)
class Line:
    """One row of the table: all of it but what is measured."""

    what: str
    today: str
    reach: str
    kind: Kind
    bound: str = ""


class Measured(NamedTuple):
    """What was measured for a row, turn by turn: seconds, MB or Gbit/s."""

    ours: Sequence[float]
    theirs: Sequence[float] = ()


@dataclass(frozen=True)
class Job:
    """Rows that are measured together, and what measures them.

    ``measure`` takes the number of turns and returns a `Measured` for each line, in their
    order.  ``seconds`` is what it takes with five turns on a quiet machine of two cores;
    ``without`` says why it cannot be measured here, "" where it can.

    """

    key: str
    lines: tuple[Line, ...]
    seconds: float
    measure: Callable[[int, Say], Sequence[Measured]]
    without: str = ""


class Finished(NamedTuple):
    """A job that has ended: the rows as text, the seconds it took, and why it failed."""

    job: Job
    rows: tuple[str, ...]
    took_s: float
    error: str


# A job that takes so much longer than it should has hung: the others go on.
PATIENCE = 5
LEAST_S = 120.0


def chosen(jobs: Sequence[Job], keys: Sequence[str] | None) -> list[Job]:
    """Return the jobs of these keys, all for None.  Raises KeyError for a key of none."""
    if keys is None:
        return list(jobs)
    if unknown := set(keys) - {job.key for job in jobs}:
        raise KeyError(", ".join(sorted(unknown)))
    return [job for job in jobs if job.key in keys]


def finish(job: Job, runs: int, say: Say) -> Finished:
    """Measure a job; one that fails or hangs is told in its rows."""
    error = job.without
    found: list[Measured] = []
    begin = time.perf_counter()
    if not error:
        limit_s = max(LEAST_S, PATIENCE * job.seconds * max(1, runs / 5))
        try:
            with at_most(limit_s):
                found = list(job.measure(runs, say))
        except Exception as problem:
            say(traceback.format_exc())
            first = str(problem).partition("\n")[0].replace("|", "/")
            error = f"{type(problem).__name__}: {first}"
    cells = [f"not measured: {error}"] * len(job.lines) if error else map(number, job.lines, found)
    rows = tuple(row(line, cell) for line, cell in zip(job.lines, cells, strict=True))
    return Finished(job, rows, time.perf_counter() - begin, error)


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in a block that takes longer; labs in it are taken down on the way."""

    def too_long(signum: int, frame: object) -> None:
        raise TimeoutError(f"took longer than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def row(line: Line, now: str) -> str:
    """Return a line of the table, as Markdown."""
    return f"| {line.what} | {line.today} | {now} | {line.reach} | {line.bound} |"


def number(line: Line, found: Measured) -> str:
    """Return the cell of what was measured: medians, a ratio the median of the turns' ratios.

    >>> line = Line("hosts / the floor", "3x", "2x", Kind.RATIO)
    >>> number(line, Measured([3.0, 2.0], [1.0, 2.0]))
    '2.00x (2.50 s / 1.50 s)'

    """
    ours = statistics.median(found.ours)
    if line.kind is Kind.SECONDS:
        return span(ours)
    if line.kind is Kind.MEGABYTES:
        return f"{ours:.2f} MB"
    if not found.theirs:
        return f"{span(ours)}, the other side is not installed"
    theirs = statistics.median(found.theirs)
    # Of each turn by itself: a machine that is slow for a minute is so for both.
    ratio = statistics.median(a / b for a, b in zip(found.ours, found.theirs, strict=True))
    if line.kind is Kind.SHARE:
        return f"{100 * ratio:.0f} % ({ours:.1f} of {theirs:.1f} Gbit/s)"
    return f"{ratio:.2f}x ({span(ours)} / {span(theirs)})"


def span(seconds: float) -> str:
    """Return seconds, or milliseconds where they are few."""
    if seconds >= 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1000 * seconds:.1f} ms"
