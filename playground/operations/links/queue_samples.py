"""Samples of a link's queues and classes of traffic, taken while a block runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from playground.errors import BadArgument
from playground.model.records import dataclass
from playground.operations.captures.samples import Samples
from playground.operations.connection.handles import LiveWire
from playground.operations.links.queue_statistics import QueueStatistics, queue_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What a look takes of the agent grows with the classes: a process, and two questions an end.
_PLOTS = ("throughput", "queue")


@dataclass(frozen=True)
class QueueSample:
    """The traffic of one queue or class since the sample before, and what waits in it.

    ``time_s`` is in seconds since the first sample.  ``mbit_per_s`` counts Ethernet frames that
    left it, ``dropped`` and ``marked`` (ECN) what it did to frames since the sample before.

    """

    time_s: float
    toward: str
    queue: str
    traffic_class: str
    mbit_per_s: float
    dropped: int
    marked: int
    queue_packets: int
    queue_bytes: int

    @property
    def line(self) -> str:
        """What a plot of it is called."""
        return f"{self.traffic_class or self.queue} toward {self.toward}"


class QueueSamples(Samples[QueueSample]):
    """The traffic of a link's queues; see `LinkOperations.watch_queues`."""

    def plot(self, what: str = "throughput", ax: Axes | None = None) -> Axes:
        """Plot "throughput" or "queue" (packets that wait) over time, a line for each queue.

        Returns the axes, on ``ax`` if given.  Raises `PlaygroundError` where matplotlib is
        not installed: ``pip install matplotlib``.

        """
        from playground.display import plots

        if what not in _PLOTS:
            raise BadArgument(f'plot({what!r}): queues have "throughput" and "queue" to plot')
        return (plots.throughput if what == "throughput" else plots.queue)(self.table(), ax)


def watch_queues(
    live: LiveWire,
    names: Sequence[str],
    interval_s: float,
) -> QueueSamples:
    """Return the samples of the queues of a link between nodes of these names."""
    before: dict[tuple[str, str, str], tuple[float, QueueStatistics]] = {}
    began: dict[str, float] = {}

    def look() -> list[QueueSample]:
        # Frames toward an end wait where they leave the other.
        answers = live.agent.call("queues", ends=live.ends[::-1])
        began_s = began.setdefault("s", answers[0]["time_s"])
        planned = (live.wire.queue_a, live.wire.queue_b)
        found = []
        for name, queue, answer in zip(names, planned, answers, strict=True):
            for row in queue_rows(name, queue, answer):
                key = (row.toward, row.queue, row.traffic_class)
                last_s, last = before.get(key, (answer["time_s"], row))
                # A queue that was made anew counts from nothing.
                fresh = row.sent_bytes < last.sent_bytes
                found.append(
                    queue_sample(answer["time_s"] - began_s, answer["time_s"] - last_s, row, last)
                    if not fresh
                    else queue_sample(answer["time_s"] - began_s, 0, row, row)
                )
                before[key] = (answer["time_s"], row)
        return found

    return QueueSamples(look, interval_s)


def queue_sample(
    time_s: float, passed_s: float, now: QueueStatistics, last: QueueStatistics
) -> QueueSample:
    """Make a row of what a queue has counted between two looks."""
    sent = now.sent_bytes - last.sent_bytes
    return QueueSample(
        round(time_s, 6),
        now.toward,
        now.queue,
        now.traffic_class,
        round(sent * 8 / passed_s / 1e6, 6) if passed_s > 0 else 0.0,
        now.dropped - last.dropped,
        now.marked - last.marked,
        now.waiting_packets,
        now.waiting_bytes,
    )
