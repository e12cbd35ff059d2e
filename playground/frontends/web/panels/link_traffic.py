"""The traffic of a link: rates of both directions as a chart, counters as a table."""

from __future__ import annotations

import time

from nicegui import ui

from playground.display.tables import Table
from playground.frontends.web.content import cells
from playground.frontends.web.content.traffic_rates import RateHistory
from playground.frontends.web.view import LabView
from playground.operations.links.link import InterfaceStatistics

TITLE = "Traffic"

_COUNTED = (
    "up",
    "carrier",
    "tx_packets",
    "tx_bytes",
    "tx_dropped",
    "rx_packets",
    "rx_bytes",
    "rx_dropped",
)


def fits(view: LabView, name: str) -> bool:
    """Every link counts."""
    return True


def build(view: LabView, name: str) -> None:
    """Show the last two minutes, a look a second."""
    link = view.link(name)
    history = RateHistory([end.node.name for end in link.ends])
    chart = ui.echart(history.chart(), renderer="svg").classes("w-full h-64 pg-chart")
    chart.props('role=img aria-label="Mbit/s of both directions over the last two minutes"')
    now = ui.label().classes("text-sm font-mono whitespace-pre-wrap")
    sides = ("one", "other")
    # An end a column: side by side in a row each, ten counters were wider than the panel.
    columns = cells.columns(("counter", *sides), sides)
    for column, end in zip(columns[1:], link.ends, strict=True):
        column["label"] = cells.cell(end.node.name)
    table = ui.table(columns=columns, rows=[], row_key="row")
    table.classes("w-full").props("dense flat hide-pagination")

    def read() -> tuple[float, Table[InterfaceStatistics]]:
        return time.monotonic(), link.statistics()

    async def look() -> None:
        time_s, found = await view.ask(read)
        rates = history.add(time_s, found)
        table.rows = cells.rows(
            (
                {"counter": cells.label(name)}
                | {side: row[name] for side, row in zip(sides, found.rows, strict=True)}
                for name in _COUNTED
            ),
            ("counter", *sides),
        )
        now.set_text(
            "\n".join(
                f"from {one.sender}: {one.mbit_per_s:.3f} Mbit/s, {one.packets_per_s:g} packets/s"
                + (f", {one.dropped} dropped" if one.dropped else "")
                for one in rates
            )
        )
        # The lines alone: the browser merges them into what it has.
        lines = history.lines()
        for series, points in zip(chart.options["series"], lines, strict=True):
            series["data"] = points

    view.every(1.0, look, when_hidden=True)  # a line without gaps
