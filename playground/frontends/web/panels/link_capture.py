"""What passes a link: a table that grows, a ladder, the bytes of a packet, files for Wireshark."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

from nicegui import ui

from playground.display.safe_text import visible
from playground.errors import PlaygroundError
from playground.frontends.web.content import packet_bytes, packet_rows
from playground.frontends.web.content.packet_filter import PacketFilter
from playground.frontends.web.sessions.packet_feed import (
    MOST_BYTES,
    MOST_PACKETS,
    STREAM_BYTES,
    CaptureStream,
    PacketFeed,
)
from playground.frontends.web.view import LabView
from playground.operations.captures.capture import Capture
from playground.operations.captures.frames import Directory
from playground.operations.captures.ladder import Ladder
from playground.operations.captures.ladder_rows import rungs

TITLE = "Capture"

_PCAPNG = "application/x-pcapng"


def fits(view: LabView, name: str) -> bool:
    """Every link has one."""
    return True


def build(view: LabView, name: str) -> None:
    """Show what passes from now on, once somebody begins."""
    link = view.link(name)

    def capture(text: str, packets: int | None, size: int) -> Capture:
        return link.capture(filter=text, limit_packets=packets, limit_bytes=size)

    CapturePanel(view, name.replace(":", "-"), capture)


class CapturePanel:
    """Widgets around one capture; ``make`` returns one for a filter and its limits."""

    def __init__(
        self, view: LabView, stem: str, make: Callable[[str, int | None, int], Capture]
    ) -> None:
        self._view, self._stem, self._make = view, stem, make
        self._feed: PacketFeed | None = None
        self._beginning = False
        self._streams: list[CaptureStream] = []
        self._live_text = ""
        self._file_address = self._live_address = ""
        self._wanted = PacketFilter("")
        self._rows = packet_rows.ShownRows(self._wanted)
        with ui.row().classes("w-full items-end"):
            self._filter = ui.input("Capture only (as for tcpdump)", placeholder="tcp port 80")
            self._filter.classes("grow").on("keydown.enter", self._start)
            self._begin = ui.button("Start", on_click=self._start).props("no-caps")
            self._end = ui.button("Stop", on_click=self._stop).props("no-caps outline")
        with ui.row().classes("w-full items-end"):
            self._show = ui.input("Show only", placeholder="tcp port=80 -arp")
            self._show.classes("grow").on("keydown.enter", self._refilter).on(
                "blur", self._refilter
            )
        self._said = ui.label("Nothing is captured yet.").classes("text-sm").props("role=status")
        self._grid = ui.aggrid(packet_rows.grid_options(), auto_size_columns=False)
        self._grid.classes("w-full h-72 pg-packets").on("selectionChanged", self._choose, [])
        with ui.row().classes("w-full items-center gap-2"):
            ui.button("Ladder", on_click=self._draw).props("no-caps dense outline")
            self._file = ui.link("Download as pcapng", "").props("download")
            self._file.set_visibility(False)
            ui.button("Wireshark …", on_click=self._tell).props("no-caps dense flat")
        self._live = ui.column().classes("w-full gap-1")
        self._ladder = ui.element("div").classes("w-full overflow-x-auto")
        self._title = ui.label().classes("font-bold break-all")
        self._tree = ui.column().classes("w-full")
        self._bytes = ui.label().classes("w-full font-mono text-xs whitespace-pre overflow-x-auto")
        self._buttons()
        view.every(0.5, self._look)
        view.on_close(self._close)

    def _buttons(self) -> None:
        running = self._feed is not None and self._feed.capture.running
        self._begin.set_enabled(not running and not self._beginning)
        self._end.set_enabled(running)

    # -- the capture ---------------------------------------------------------

    async def _start(self) -> None:
        if self._beginning or (self._feed is not None and self._feed.capture.running):
            return
        text = str(self._filter.value or "")
        capture = self._make(text, MOST_PACKETS, MOST_BYTES)
        self._beginning = True
        try:
            # A panel holds the packets of one capture: the former one's are given back.
            before, self._feed = self._feed, None
            if before is not None:
                await self._view.ask(self._view.feeds.let_go, before)
            feed = await self._view.ask(self._view.feeds.begin, self._view.name, capture)
            self._feed = feed
            if self._view.closed:  # meanwhile
                await self._view.ask(self._close)
        finally:
            self._beginning = False
        self._clear()
        if not self._file_address:
            self._file_address = self._view.serve(f"{self._stem}.pcapng", self._pcapng, _PCAPNG)
            self._file.props(f'href="{self._file_address}"')
        self._file.set_visibility(True)
        self._buttons()

    def _pcapng(self) -> Iterator[bytes]:
        feed = self._feed
        if feed is None:
            raise PlaygroundError("nothing is captured here now: start it, then download")
        return feed.pcapng()

    async def _stop(self) -> None:
        if self._feed is not None:
            await self._view.ask(self._feed.stop)
        await self._look()

    def _close(self) -> None:
        feed, self._feed = self._feed, None
        if feed is not None:
            self._view.feeds.let_go(feed)
        for stream in self._streams:
            stream.close()

    def _clear(self) -> None:
        self._rows = packet_rows.ShownRows(self._wanted)
        self._grid.run_grid_method("setGridOption", "rowData", [])

    def _refilter(self) -> None:
        wanted = PacketFilter(str(self._show.value or ""))
        if wanted.text != self._wanted.text:
            self._wanted = wanted
            self._clear()

    async def _look(self) -> None:
        feed = self._feed
        if feed is None:
            return
        added, gone = self._rows.next(feed.since(self._rows.seen, packet_rows.MOST_AT_ONCE))
        if added or gone:
            change = {"add": added, "remove": [{"number": number} for number in gone]}
            self._grid.run_grid_method("applyTransaction", change)
        state = "running" if feed.capture.running else feed.capture.ended_by or "stopped"
        count = f"{len(feed)} packets"
        if self._wanted:
            count += f", {len(self._rows)} shown"
        elif len(feed) > len(self._rows):
            count += f", the last {len(self._rows)} shown"
        self._said.set_text(f"{count}; {state}")
        self._buttons()

    # -- one packet ----------------------------------------------------------

    async def _choose(self) -> None:
        chosen = await self._grid.get_selected_row()
        if self._feed is None or chosen is None:
            return
        number = chosen.get("number")
        packet = self._feed.find(number) if isinstance(number, int) else None
        if packet is None:
            return
        self._title.set_text(visible(f"Packet {packet.number}: {packet.protocol} {packet.info}"))
        self._tree.clear()
        with self._tree:
            ui.tree(packet_bytes.layers(packet.decoded), label_key="label").props("dense")
        self._bytes.set_text(packet_bytes.hex_dump(packet.data))

    # -- all of them ---------------------------------------------------------

    async def _draw(self) -> None:
        if self._feed is None or not len(self._feed):
            ui.notify("No packet has come yet: start a capture, and let hosts speak")
            return
        drawing = await self._view.ask(self._drawn, self._feed)
        self._ladder.clear()
        with self._ladder:
            # As a picture: whatever is written in it, a browser runs nothing of it.
            data = base64.b64encode(drawing.svg().encode()).decode()
            image = ui.element("img").props(f'src="data:image/svg+xml;base64,{data}"')
            image.props('alt="Sequence diagram of the packets"').style("max-width:none")

    def _drawn(self, feed: PacketFeed) -> Ladder:
        packets = packet_rows.chosen(feed.since(0, MOST_PACKETS), self._wanted)
        directory = Directory.of(self._view.lab.running_plan())
        places = feed.capture.places
        drawn = rungs(packets, places, directory, hops=len(places) > 1, lossless=True)
        return Ladder.of(drawn, directory, packet_rows.MOST_RUNGS)

    def _stream(self) -> Iterator[bytes]:
        """Begin a capture that is handed on; called in a thread, for each who fetches it."""
        stream = self._view.streams.begin(
            self._view.name, self._make(self._live_text, None, STREAM_BYTES)
        )
        self._streams = [one for one in self._streams if not one.has_ended] + [stream]
        if self._view.closed:
            stream.close()
        return stream

    def _tell(self) -> None:
        """Say how the capture is watched in Wireshark, on the machine of who looks."""
        self._live_text = str(self._filter.value or "")
        if not self._live_address:
            name = f"{self._stem}-live.pcapng"
            self._live_address = self._view.serve(name, self._stream, _PCAPNG)
        address = self._live_address
        self._live.clear()
        with self._live:
            ui.label("In a terminal of your own machine, where Wireshark is installed:")
            with ui.row().classes("w-full items-center no-wrap"):
                command = ui.label().classes("font-mono text-xs break-all select-all grow")
                # A list of processes has no arguments of a shell's own command.
                whole = self._view.address_for_programs(address)
                command.set_text(f"echo 'url=\"{whole}\"' | curl -sNK - | wireshark -k -i -")
            ui.label("It ends with this panel, or when Wireshark is closed.").classes("text-xs")
