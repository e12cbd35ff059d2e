"""Packets as the rows of a page's table: those that pass a filter, none twice, none without end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from playground.frontends.web.content.cells import cell, label
from playground.frontends.web.content.packet_filter import PacketFilter
from playground.operations.captures.dissect import CapturedPacket

# A panel is 488 pixels wide: all but the length fits, which is behind what one looks for.
COLUMNS = ("number", "time_s", "source", "destination", "protocol", "info", "length_bytes")
_WIDTHS = {"number": 40, "time_s": 72, "source": 94, "destination": 94, "protocol": 56}
_HEADERS = {"number": "no."}
_NUMBERS = ("number", "time_s", "length_bytes")

# In a browser at once; of more the oldest go.
MOST_SHOWN = 2000

# Of a burst, at a time.
MOST_AT_ONCE = 500

# Of a ladder: what is longer is not read.
MOST_RUNGS = 60


def row(packet: CapturedPacket) -> dict[str, Any]:
    """Return a packet as a row."""
    found = {name: cell(getattr(packet, name)) for name in COLUMNS}
    found["time_s"] = f"{packet.time_s:.6f}"
    if packet.mark:
        found["info"] = f"[{packet.mark}] {found['info']}"
    return found


def grid_options() -> dict[str, Any]:
    """Return the options of the table: an AG Grid, which shows each value as text."""
    columns: list[dict[str, Any]] = []
    for name in COLUMNS:
        header = _HEADERS.get(name, label(name))
        column: dict[str, Any] = {"field": name, "headerName": header, "sortable": False}
        column |= {"tooltipField": name, "resizable": True}
        if name in _NUMBERS:
            column["type"] = "rightAligned"
        if name in _WIDTHS:
            column["width"] = _WIDTHS[name]
        elif name == "info":
            column |= {"minWidth": 128, "flex": 1}
        else:
            column["width"] = 100
        columns.append(column)
    return {
        "columnDefs": columns,
        "rowData": [],
        "rowSelection": {"mode": "singleRow", "checkboxes": False, "enableClickSelection": True},
        "rowHeight": 26,
        "headerHeight": 30,
        "suppressMovableColumns": True,
        "tooltipShowDelay": 300,
        ":getRowId": "(params) => String(params.data.number)",
    }


class ShownRows:
    """The rows that a browser has: what is to be added, and what to be taken away."""

    def __init__(self, wanted: PacketFilter) -> None:
        self._wanted = wanted
        self._seen = 0
        self._shown: list[int] = []

    @property
    def seen(self) -> int:
        """How many packets were looked at."""
        return self._seen

    def __len__(self) -> int:
        return len(self._shown)

    def next(self, packets: Sequence[CapturedPacket]) -> tuple[list[dict[str, Any]], list[int]]:
        """Take packets from `seen` on; return rows that come, and numbers of those that go."""
        self._seen += len(packets)
        fresh = [row(one) for one in packets if self._wanted.matches(one)]
        self._shown += [one["number"] for one in fresh]
        gone = self._shown[:-MOST_SHOWN]
        del self._shown[: len(gone)]
        # What came and goes at once was never there.
        came = {one["number"] for one in fresh}
        kept = set(self._shown)
        return (
            [one for one in fresh if one["number"] in kept],
            [number for number in gone if number not in came],
        )


def chosen(packets: Iterable[CapturedPacket], wanted: PacketFilter) -> list[CapturedPacket]:
    """Return the last packets that a ladder draws."""
    return [one for one in packets if wanted.matches(one)][-MOST_RUNGS:]
