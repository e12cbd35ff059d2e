"""The panel that follows a packet: two nodes and a port, the packet on the picture, the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from playground.display.safe_text import visible
from playground.errors import BadArgument
from playground.frontends.web.explaining.probe import follow
from playground.frontends.web.following.packet_way import BACK, PacketStep, Stop, packet_way
from playground.frontends.web.picture_element import PictureElement
from playground.frontends.web.picture_watch import PictureWatch
from playground.frontends.web.view import LabView
from playground.operations.diagnosis.evidence.explanation import Explanation
from playground.operations.network import Host, Switch

# Services by their usual ports, for who looks for one.
_USUAL = {80: "web", 443: "web, TLS", 22: "ssh", 53: "DNS", 25: "mail", 21: "FTP"}
_PING = "ping"
_MOST_LETTERS = 120


class FollowPanel:
    """A drawer with the question and what was found; the picture shows the packet itself."""

    def __init__(self, view: LabView, watch: PictureWatch) -> None:
        self._view = view
        self._watch = watch
        self._picture: PictureElement | None = None
        self._steps: Sequence[PacketStep] = ()
        self._answer: Explanation | None = None
        self._cards: dict[int, list[ui.element]] = {}
        self._next = 0
        with ui.left_drawer(value=False, bordered=True) as drawer:
            self._drawer = drawer
            # Quasar keeps room for one drawer on the left: two would take each other's.
            drawer.props("width=400 overlay behavior=desktop").classes("pg-follow-panel")
            # The picture keeps what is beside it, on a phone what is above: see page.css.
            drawer.on_value_change(
                lambda event: ui.query("body").classes(
                    **{"add" if event.value else "remove": "pg-following"}
                )
            )
            self._form()
            self._stale = ui.label("The network has changed since: follow it again.")
            self._stale.classes("text-sm font-bold text-negative").props("role=status")
            self._stale.set_visibility(False)
            self._found = ui.column().classes("w-full gap-1")

    def attach(self, picture: PictureElement) -> None:
        """Draw on this picture."""
        self._picture = picture

    @property
    def is_open(self) -> bool:
        """Whether it is seen: then a click on a node chooses it."""
        return bool(self._drawer.value)

    def toggle(self) -> None:
        """Open it, or close it and take the packet from the picture."""
        if self.is_open:
            self._drawer.hide()
            self._show([])
        else:
            self._drawer.show()

    def changed(self) -> None:
        """Say that what was found may be so no more: a line has gone down since, or come up."""
        if self._steps:
            self._stale.set_visibility(True)

    def choose(self, name: str) -> None:
        """Take a node that was clicked: the source first, and then the target."""
        if self._next == 0 and name in self._source.options:
            self._source.value = name
        elif self._next == 1:
            self._target.value = name
        self._next = 1 - self._next

    def reached(self, step: int) -> None:
        """Tell what was found at a stop that the packet has come to on the picture."""
        for card in self._cards.get(step, ()):
            card.classes(remove="hidden")

    # -- the question ------------------------------------------------------------

    def _form(self) -> None:
        nodes = self._view.lab.nodes
        machines = [node.name for node in nodes if not isinstance(node, Switch)]
        # A student's own question is that of a host.
        hosts = [node.name for node in nodes if isinstance(node, Host)] or machines
        ui.label("Follow a packet").classes("text-lg font-bold")
        ui.label("Choose two nodes, here or by a click on each.").classes("text-sm opacity-80")
        if not self._view.may_change:
            ui.label("To look only: a ping, or tcp to a node of this lab.").classes("text-sm")
        self._source = ui.select(machines, label="From", value=next(iter(hosts), None))
        self._target = ui.select(
            machines,
            label="To (a node, a name or an address)",
            value=hosts[-1] if hosts else None,
            new_value_mode="add-unique",
        ).props("use-input hide-selected fill-input input-debounce=0")
        ports = {0: _PING} | {port: f"{port} ({words})" for port, words in _USUAL.items()}
        with ui.row().classes("w-full no-wrap items-end"):
            self._port = ui.select(
                ports, label="Port", value=0, new_value_mode="add-unique", key_generator=_port_key
            ).props("use-input hide-selected fill-input input-debounce=0")
            self._protocol = ui.toggle(["tcp", "udp"], value="tcp").props("dense no-caps")
            self._port.classes("grow")
        for one in (self._source, self._target):
            one.classes("w-full")
        with ui.row().classes("items-center"):
            self._button = ui.button("Follow", icon="play_arrow", on_click=self._follow)
            self._again = ui.button("Again", icon="replay", on_click=self._replay)
            self._again.props("flat").set_visibility(False)
            self._busy = ui.spinner(size="sm")
            self._busy.set_visibility(False)

    async def _follow(self) -> None:
        port = port_of(self._port.value)
        target = str(self._target.value or "").strip()
        if not self._source.value or not target:
            raise BadArgument("choose two nodes first: From and To")
        self._show([])
        self._found.clear()
        self._stale.set_visibility(False)
        self._steps = ()
        self._busy.set_visibility(True)
        self._button.disable()
        try:
            found = await follow(self._view, self._source.value, target, port, self._protocol.value)
        finally:
            if not self._button.is_deleted:
                self._busy.set_visibility(False)
                self._button.enable()
        if not self._button.is_deleted:  # the page was left meanwhile
            self._set_out(found)

    def _replay(self) -> None:
        assert self._answer is not None
        self._set_out(self._answer)

    def _set_out(self, found: Explanation) -> None:
        """Send the packet on its way over the picture as it is drawn now."""
        assert self._watch.diagram is not None
        self._steps = packet_way(found, self._watch.diagram, self._watch.closed)
        self._answer = found
        self._tell(found)
        self._show(self._steps)

    # -- the answer --------------------------------------------------------------

    def _show(self, steps: Sequence[PacketStep]) -> None:
        self._again.set_visibility(bool(steps))
        if self._picture is not None:
            self._picture.follow([drawn(step) for step in steps])

    def _tell(self, found: Explanation) -> None:
        self._found.clear()
        self._cards = {}
        with self._found:
            # Above all else: it is what one asked for, and comes with the last stop.
            verdict = self._verdict(found)
            if self._steps:
                verdict.classes("hidden")
            for number, step in enumerate(self._steps):
                if isinstance(step, Stop) and (step.rows or step.fault):
                    self._cards[number] = [self._stop(step).classes("hidden")]
        self._cards.setdefault(len(self._steps) - 1, []).append(verdict)

    def _verdict(self, found: Explanation) -> ui.element:
        with ui.card().classes(f"w-full {'pg-well' if found.ok else 'pg-ill'}") as card:
            with ui.row().classes("items-center no-wrap"):
                ui.icon("check_circle" if found.ok else "error", size="md")
                words = "It arrives." if found.ok else f"{found.cause} at {found.node}"
                ui.label(visible(words)).classes("text-base font-bold")
            for text in filter(None, (found.sentence, found.advice)):
                ui.label(visible(text)).classes("text-sm whitespace-pre-wrap break-words")
        return card

    def _stop(self, stop: Stop) -> ui.element:
        with ui.column().classes("w-full gap-0 pg-stop") as column:
            with ui.row().classes("items-center gap-2 no-wrap"):
                icon = "error" if stop.fault else "arrow_back" if stop.way == BACK else "place"
                ui.icon(icon, color="negative" if stop.fault else "primary")
                ui.label(stop.node).classes("font-bold")
            for row in stop.rows:
                with ui.row().classes("gap-2 no-wrap pl-8 text-sm"):
                    ui.label(row.asked).classes("opacity-70 w-20 shrink-0")
                    words = ui.label(visible(row.found)).classes("font-mono break-all")
                    if not row.ok:
                        words.classes("text-negative font-bold")
        return column


def port_of(value: Any) -> int | None:
    """Return the port that was chosen or typed; None for a ping; raises `BadArgument`."""
    if value in (None, 0, "", _PING):
        return None
    text = str(value).partition(" ")[0]
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise BadArgument(f"port {str(value)[:40]!r} is none: write a number from 1 to 65535")
    return int(text)


def _port_key(text: str) -> Any:
    return text


def drawn(step: PacketStep) -> dict[str, Any]:
    """Return a step as the picture's script takes it."""
    if isinstance(step, Stop):
        said = visible(step.said)
        short = said if len(said) <= _MOST_LETTERS else said[: _MOST_LETTERS - 1] + "…"
        return {"node": step.node, "way": step.way, "fault": step.fault, "said": short}
    return {"cable": step.cable, "toward": step.toward, "way": step.way}
