"""Samples of a link's traffic and of TCP's state, taken while a block runs.

A thread asks the agent at even times.  What it has seen is rows first, a plot second.

"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from playground.display.tables import Table, Tabular
from playground.errors import BadArgument, PlaygroundError
from playground.model.records import dataclass
from playground.operations.connection.client import Client

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = TypeVar("Row")

# A look takes the agent about 2 ms, and more than a third of the time it should not look.
SHORTEST_INTERVAL_S = 0.005

# net/tcp_states.h
TCP_STATES = {
    1: "established",
    2: "syn-sent",
    3: "syn-received",
    4: "fin-wait-1",
    5: "fin-wait-2",
    7: "closed",
    8: "close-wait",
    9: "last-ack",
    11: "closing",
}

# linux/tcp.h, TCP_INFINITE_SSTHRESH: nothing was lost yet.
_NO_THRESHOLD = 0x7FFFFFFF


@dataclass(frozen=True)
class LinkSample:
    """The traffic of a link in one direction since the sample before.

    ``time_s`` is in seconds since the first sample.  ``mbit_per_s`` counts Ethernet
    frames, ``dropped`` those that a full queue has lost.  ``queue_packets`` and
    ``queue_bytes`` wait at this moment where frames leave toward the node; those that a relay
    holds (where the kernel has no netem) are not among them.

    """

    time_s: float
    toward: str
    mbit_per_s: float
    packets: int
    dropped: int
    queue_packets: int
    queue_bytes: int

    @property
    def line(self) -> str:
        """What a plot of it is called."""
        return f"toward {self.toward}"


@dataclass(frozen=True)
class TcpSample:
    """A TCP connection at one moment, as the kernel of its host sees it.

    ``connection`` is its two ends, this host's first.  The congestion window, the
    slow-start threshold (None as long as nothing was lost) and what is in flight
    are in segments of ``segment_bytes``; ``acked_bytes`` and ``retransmitted``
    (segments) are since its beginning.  ``rtt_ms`` is smoothed (RFC 6298).

    """

    time_s: float
    connection: str
    state: str
    congestion_window: int
    slow_start_threshold: int | None
    in_flight: int
    rtt_ms: float
    retransmitted: int
    acked_bytes: int
    segment_bytes: int


class Samples(Tabular, Generic[Row]):
    """Rows that come while a block runs; its ``with`` statement starts and ends it.

    The first look is taken as the block begins, the last as it ends.  What goes wrong
    in between ends the sampling, and is raised at the end of the block.

    """

    def __init__(self, look: Callable[[], Sequence[Row]], interval_s: float) -> None:
        if (
            isinstance(interval_s, bool)
            or not isinstance(interval_s, (int, float))
            or not SHORTEST_INTERVAL_S <= interval_s <= 3600
        ):
            raise BadArgument(
                f"interval_s={interval_s!r}: give a number of seconds, {SHORTEST_INTERVAL_S:g} or "
                "more"
            )
        self._look = look
        self._interval_s = interval_s
        self._rows: list[Row] = []
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def table(self) -> Table[Row]:
        """Return what was seen up to now."""
        return Table(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return repr(self.table())

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise PlaygroundError("these samples were taken already: watch anew for others")
        self._rows += self._look()
        self._thread = threading.Thread(target=self._go_on, name="samples", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        if self._error is None:
            try:
                self._rows += self._look()
            except Exception as failed:
                self._error = failed
        if self._error is not None and error is None:
            raise self._error

    def _go_on(self) -> None:
        due = time.monotonic()
        while True:
            # A late sample does not make the next ones early.
            due = max(due + self._interval_s, time.monotonic())
            if self._ended.wait(due - time.monotonic()):
                return
            try:
                self._rows += self._look()
            except Exception as error:
                self._error = error
                return


class LinkSamples(Samples[LinkSample]):
    """The traffic of a link; see `LinkOperations.watch`."""

    def plot(self, what: str = "throughput", ax: Axes | None = None) -> Axes:
        """Plot "throughput" or "queue" over time, a line for each direction.

        Returns the axes, on ``ax`` if given.  Raises `PlaygroundError` where matplotlib is
        not installed: ``pip install matplotlib``.

        """
        from playground.display import plots

        if what not in ("throughput", "queue"):
            raise BadArgument(f'plot({what!r}): a link has "throughput" and "queue" to plot')
        return (plots.throughput if what == "throughput" else plots.queue)(self.table(), ax)


class TcpSamples(Samples[TcpSample]):
    """TCP connections of a host; see `Host.watch_tcp`."""

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot the congestion window over time, and the slow-start threshold, dashed.

        A line for each connection.  Returns the axes, on ``ax`` if given.  Raises
        `PlaygroundError` where matplotlib is not installed.

        """
        from playground.display import plots

        return plots.congestion_window(self.table(), ax)


def watch_link(
    agent: Client, ends: Sequence[Mapping[str, Any]], names: Sequence[str], interval_s: float
) -> LinkSamples:
    """Return the samples of a link whose ends are these, at nodes of these names."""
    before: dict[str, Any] = {}

    def look() -> list[LinkSample]:
        now = agent.call("sample", ends=list(ends), pids=[])
        first = before.setdefault("first", now)
        last = before.get("last")
        before["last"] = now
        return link_samples(first["time_s"], last or now, now, names)

    return LinkSamples(look, interval_s)


def link_samples(
    began_s: float, last: Mapping[str, Any], now: Mapping[str, Any], names: Sequence[str]
) -> list[LinkSample]:
    """Return what passed toward each end between two looks, of whose ends ``names`` are."""
    rows = []
    # Frames toward one end leave at the other.
    for toward, here in ((names[0], 1), (names[1], 0)):
        old, new = last["interfaces"][here], now["interfaces"][here]
        sent, passed_s = new["tx_bytes"] - old["tx_bytes"], new["time_s"] - old["time_s"]
        rows.append(
            LinkSample(
                time_s=round(now["time_s"] - began_s, 6),
                toward=toward,
                mbit_per_s=round(sent * 8 / passed_s / 1e6, 6) if passed_s > 0 else 0.0,
                packets=new["tx_packets"] - old["tx_packets"],
                dropped=new["dropped"] - old["dropped"],
                queue_packets=new["queue_packets"],
                queue_bytes=new["queue_bytes"],
            )
        )
    return rows


def watch_tcp(agent: Client, pid: int, port: int | None, interval_s: float) -> TcpSamples:
    """Return the samples of a node's connections; see `Host.watch_tcp`."""
    if port is not None and (
        isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535
    ):
        raise BadArgument(f"port={port!r} is none: give a number from 1 to 65535")
    began: dict[str, float] = {}

    def look() -> list[TcpSample]:
        now = agent.call("sample", ends=[], pids=[pid])
        time_s = round(now["time_s"] - began.setdefault("s", now["time_s"]), 6)
        return [
            tcp_sample(time_s, row)
            for row in now["connections"][0]
            if port in (None, row["source_port"], row["destination_port"])
        ]

    return TcpSamples(look, interval_s)


def tcp_sample(time_s: float, row: Mapping[str, Any]) -> TcpSample:
    """Make a row of what the agent says of a connection."""
    threshold = row["snd_ssthresh"]
    return TcpSample(
        time_s=time_s,
        connection=f"{_end(row, 'source')} → {_end(row, 'destination')}",
        state=TCP_STATES.get(row["state"], str(row["state"])),
        congestion_window=row["snd_cwnd"],
        slow_start_threshold=threshold if threshold < _NO_THRESHOLD else None,
        in_flight=row["unacked"] - row["sacked"] - row["lost"] + row["retrans"],
        rtt_ms=row["rtt_us"] / 1000,
        retransmitted=row["total_retrans"],
        acked_bytes=row["acked_bytes"],
        segment_bytes=row["snd_mss"],
    )


def _end(row: Mapping[str, Any], side: str) -> str:
    address = str(row[side]).removeprefix("::ffff:")
    return f"{f'[{address}]' if ':' in address else address}:{row[f'{side}_port']}"
