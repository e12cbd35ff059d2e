"""Plots of samples: the only module that imports matplotlib.

Each function draws on the axes that it is given, or on new ones, and returns them.  New
ones are transparent, in colours that can be read on a light page and on a dark one.

"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from playground.errors import PlaygroundError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Graphics want a contrast of 3:1 (WCAG 2.1, 1.4.11): on white and on #111111, JupyterLab's dark
# ground, each of these has 3.2:1 or more, and the text 3.9:1.
_TEXT = "#7b7b7b"
# Of the ticks of y.  Where all ticks are darker than the middle, or lighter, matplotlib-inline asks
# JupyterLab to put a transparent figure on white, or on black.
_LIGHTER = "#808080"
_LINES = ("#3b82c4", "#c77c11", "#2f9e62", "#a86fd0", "#c9538c", "#4f9aa8")
_WRONG = "#e0483e"


class PlottedEcho(Protocol):
    """One packet of a ping."""

    @property
    def sent_s(self) -> float: ...

    @property
    def rtt_ms(self) -> float | None: ...


class Pinged(Protocol):
    """A ping: whom it asked, and each packet."""

    @property
    def target(self) -> str: ...

    @property
    def echoes(self) -> Sequence[PlottedEcho]: ...


class Loaded(Protocol):
    """Two pings: before the way was filled, and while it was."""

    @property
    def source(self) -> str: ...

    @property
    def target(self) -> str: ...

    @property
    def idle(self) -> Pinged: ...

    @property
    def loaded(self) -> Pinged: ...

    @property
    def up_mbit(self) -> float: ...

    @property
    def down_mbit(self) -> float: ...


class LinkPoint(Protocol):
    """One look at one direction of a link."""

    @property
    def time_s(self) -> float: ...

    @property
    def line(self) -> str: ...

    @property
    def mbit_per_s(self) -> float: ...

    @property
    def queue_packets(self) -> int: ...

    @property
    def dropped(self) -> int: ...


class TcpPoint(Protocol):
    """One look at one connection."""

    @property
    def time_s(self) -> float: ...

    @property
    def connection(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def congestion_window(self) -> int: ...

    @property
    def slow_start_threshold(self) -> int | None: ...

    @property
    def retransmitted(self) -> int: ...


def _axes(ax: Axes | None, title: str, across: str, up: str) -> Axes:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise PlaygroundError(
            "a plot needs matplotlib: pip install matplotlib; the numbers are in .rows"
        ) from error
    own = ax is None
    if ax is None:
        figure, ax = pyplot.subplots(figsize=(7, 3.2), layout="constrained")
        figure.patch.set_alpha(0)
        ax.patch.set_alpha(0)
        ax.set_prop_cycle(color=_LINES)
        ax.tick_params(colors=_TEXT)
        ax.tick_params("y", colors=_LIGHTER)
        for spine in ax.spines.values():
            spine.set_color(_TEXT)
    heading = ax.set_title(title, loc="left", fontsize="medium")
    for text in (heading, ax.set_xlabel(across), ax.set_ylabel(up)):
        if own:
            text.set_color(_TEXT)
    ax.grid(visible=True, alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    # A notebook shows each new figure below its cell: the axes as a value of the cell say no more.
    ax.__dict__["_ipython_display_"] = partial(_show_once, ax)
    return ax


def _show_once(ax: Axes) -> None:
    """Show the figure again where it was shown and closed; else it is shown anyway."""
    from IPython.display import display
    from matplotlib import pyplot

    figure = ax.get_figure()
    if not pyplot.fignum_exists(getattr(figure, "number", 0)):
        display(figure)  # type: ignore[no-untyped-call]


def rtt(ping: Pinged, ax: Axes | None = None) -> Axes:
    """Plot the round trip of each packet of a ping; lost ones are marked at the bottom."""
    ax = _axes(ax, f"ping {ping.target}", "sent after (s)", "round trip (ms)")
    # The line is broken where one was lost.
    times_ms = [math.nan if echo.rtt_ms is None else echo.rtt_ms for echo in ping.echoes]
    ax.plot([echo.sent_s for echo in ping.echoes], times_ms, ".-", label="came back")
    lost = [echo.sent_s for echo in ping.echoes if echo.rtt_ms is None]
    if lost:
        ax.plot(lost, [0] * len(lost), "x", color=_WRONG, clip_on=False, label="lost", zorder=3)
    return _finished(ax)


def rtt_under_load(result: Loaded, ax: Axes | None = None) -> Axes:
    """Plot the round trips of two pings, one after the other: idle, and under load."""
    title = f"round trip from {result.source} to {result.target}"
    ax = _axes(ax, title, "time (s)", "round trip (ms)")
    began_s = 0.0
    load = f"under load ({result.up_mbit:.3g} Mbit/s up, {result.down_mbit:.3g} down)"
    for number, (name, ping) in enumerate((("idle", result.idle), (load, result.loaded))):
        sent_s = [began_s + echo.sent_s for echo in ping.echoes]
        times_ms = [math.nan if echo.rtt_ms is None else echo.rtt_ms for echo in ping.echoes]
        ax.plot(sent_s, times_ms, ".-", color=_colour(number), label=name)
        lost = [at for at, echo in zip(sent_s, ping.echoes, strict=True) if echo.rtt_ms is None]
        if lost:
            ax.plot(lost, [0] * len(lost), "x", color=_WRONG, clip_on=False, label="lost", zorder=3)
        began_s = sent_s[-1] if sent_s else began_s
    return _finished(ax)


def throughput(samples: Sequence[LinkPoint], ax: Axes | None = None) -> Axes:
    """Plot what passed a link, a line for each direction, or for each of its queues."""
    ax = _axes(ax, "throughput", "time (s)", "Mbit/s")
    for line in _distinct(sample.line for sample in samples):
        # The first look has nothing before it to compare with.
        own = [sample for sample in samples if sample.line == line][1:]
        ax.plot(
            [sample.time_s for sample in own],
            [sample.mbit_per_s for sample in own],
            label=line,
        )
    return _finished(ax)


def queue(samples: Sequence[LinkPoint], ax: Axes | None = None) -> Axes:
    """Plot how many packets wait, and mark where some were dropped."""
    ax = _axes(ax, "queue", "time (s)", "packets that wait")
    for number, line in enumerate(_distinct(sample.line for sample in samples)):
        own = [sample for sample in samples if sample.line == line]
        times, waiting = [s.time_s for s in own], [s.queue_packets for s in own]
        ax.plot(times, waiting, drawstyle="steps-post", color=_colour(number), label=line)
        dropped = [(s.time_s, s.queue_packets) for s in own if s.dropped]
        if dropped:
            ax.plot(*zip(*dropped, strict=True), "x", color=_WRONG, label=f"dropped {line}")
    return _finished(ax)


def congestion_window(samples: Sequence[TcpPoint], ax: Axes | None = None) -> Axes:
    """Plot the congestion window of each connection, its threshold dashed.

    One that was only seen as it ended is left out, if there are others.

    """
    ax = _axes(ax, "congestion window", "time (s)", "segments")
    seen = _distinct(sample.connection for sample in samples)
    living = _distinct(s.connection for s in samples if s.state == "established")
    for number, connection in enumerate(living or seen):
        own = [sample for sample in samples if sample.connection == connection]
        times, colour = [sample.time_s for sample in own], _colour(number)
        windows = [sample.congestion_window for sample in own]
        ax.plot(times, windows, color=colour, label=connection, drawstyle="steps-post")
        thresholds = [(s.time_s, s.slow_start_threshold) for s in own if s.slow_start_threshold]
        if thresholds:
            ax.plot(
                *zip(*thresholds, strict=True),
                "--",
                color=colour,
                alpha=0.85,
                linewidth=1,
                label="slow-start threshold",
            )
        again = [
            (new.time_s, new.congestion_window)
            for old, new in pairwise(own)
            if new.retransmitted > old.retransmitted
        ]
        if again:
            ax.plot(*zip(*again, strict=True), "x", color=_WRONG, label="retransmitted")
    return _finished(ax)


def _colour(number: int) -> str:
    return _LINES[number % len(_LINES)]


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _finished(ax: Axes) -> Axes:
    ax.set_ylim(bottom=0)
    if len(ax.get_legend_handles_labels()[1]) > 1:
        # Beside the lines, which may be anywhere.
        ax.legend(
            frameon=False,
            fontsize="small",
            loc="upper left",
            bbox_to_anchor=(1, 1),
            labelcolor=ax.xaxis.label.get_color(),
        )
    return ax
