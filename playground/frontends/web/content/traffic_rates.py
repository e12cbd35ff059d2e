"""Rates of a link's traffic, from counters that were read twice, and their chart."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from playground.model.records import dataclass
from playground.operations.links.link import InterfaceStatistics

# Two minutes, where a look is taken each second.
_MOST_POINTS = 120

# As many shades as there are directions; both are read on white and on black (WCAG 2.1, 1.4.11).
_COLOURS = ("#2f7ed8", "#d9730d")
_GRID = "#8888884d"


@dataclass(frozen=True)
class Rate:
    """Traffic from one node of a link, between two looks at its counters."""

    sender: str
    mbit_per_s: float
    packets_per_s: float
    dropped: int


def rates(
    before: Sequence[InterfaceStatistics], now: Sequence[InterfaceStatistics], passed_s: float
) -> list[Rate]:
    """Return what each end has sent; [] where no time has passed.

    Counters that went back, as those of an interface that was made anew, count from nothing.

    """
    if passed_s <= 0:
        return []
    found = []
    for old, new in zip(before, now, strict=True):
        anew = new.tx_bytes < old.tx_bytes or new.tx_packets < old.tx_packets
        sent = new.tx_bytes - (0 if anew else old.tx_bytes)
        packets = new.tx_packets - (0 if anew else old.tx_packets)
        dropped = new.tx_dropped - (0 if anew else old.tx_dropped)
        found.append(
            Rate(
                new.node,
                round(sent * 8 / passed_s / 1e6, 4),
                round(packets / passed_s, 1),
                max(0, dropped),
            )
        )
    return found


class RateHistory:
    """The rates of the last two minutes, a line for each end of a link."""

    def __init__(self, senders: Sequence[str]) -> None:
        self._senders = tuple(senders)
        self._points: deque[tuple[float, tuple[float, ...]]] = deque(maxlen=_MOST_POINTS)
        self._last: tuple[float, Sequence[InterfaceStatistics]] | None = None

    def add(self, time_s: float, now: Sequence[InterfaceStatistics]) -> list[Rate]:
        """Take counters that were read at ``time_s``; return the rates since those before."""
        last, self._last = self._last, (time_s, now)
        if last is None:
            return []
        found = rates(last[1], now, time_s - last[0])
        if found:
            self._points.append((time_s, tuple(rate.mbit_per_s for rate in found)))
        return found

    def __len__(self) -> int:
        return len(self._points)

    def lines(self) -> list[list[list[float]]]:
        """Return for each end its points: seconds before the last one, and Mbit/s."""
        if not self._points:
            return [[] for _ in self._senders]
        end_s = self._points[-1][0]
        return [
            [[round(time_s - end_s, 1), values[n]] for time_s, values in self._points]
            for n in range(len(self._senders))
        ]

    def chart(self) -> dict[str, Any]:
        """Return the options of a chart of Apache ECharts, drawn as SVG.

        Its text has the page's colour, by CSS: whoever looks chooses light or dark.

        """
        line = {"lineStyle": {"color": _GRID}}
        axis: Mapping[str, Any] = {"axisLine": line, "splitLine": line}
        return {
            "animation": False,
            "grid": {"left": 52, "right": 16, "top": 44, "bottom": 36},
            "legend": {"top": 4},
            # Not a word of a host's goes into ECharts' own HTML.
            "tooltip": {"trigger": "axis", "renderMode": "richText"},
            "xAxis": {"type": "value", "min": -_MOST_POINTS, "max": 0, "name": "s", **axis},
            "yAxis": {"type": "value", "min": 0, "name": "Mbit/s", **axis},
            "series": [
                {
                    "type": "line",
                    "name": f"from {sender}",
                    "showSymbol": False,
                    "lineStyle": {"width": 2, "type": ("solid", "dashed")[number % 2]},
                    "color": _COLOURS[number % len(_COLOURS)],
                    "data": line,
                }
                for number, (sender, line) in enumerate(
                    zip(self._senders, self.lines(), strict=True)
                )
            ],
        }
