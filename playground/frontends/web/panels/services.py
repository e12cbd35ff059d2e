"""The services of a node: started, stopped, their logs as they grow."""

from __future__ import annotations

import time
from typing import Any

from nicegui import ui

from playground.errors import PlaygroundError
from playground.frontends.web.content.cells import cell
from playground.frontends.web.content.log_text import LINES, added, cut_log
from playground.frontends.web.content.looking_pace import Pace
from playground.frontends.web.view import LabView
from playground.operations.network import Machine

TITLE = "Services"


def fits(view: LabView, name: str) -> bool:
    """Only a host or router has services."""
    return view.is_machine(name)


def build(view: LabView, name: str) -> None:
    """Show each service with what may be done to it, and below them a log."""
    _Services(view, view.machine(name))


class _Services:
    """The services of one node, and the log of one of them."""

    def __init__(self, view: LabView, node: Machine) -> None:
        self._view, self._node = view, node
        self._pace, self._log_pace = Pace(2.0), Pace(1.0)
        self._status: dict[str, ui.label] = {}
        self._chosen: str | None = None
        self._text = ""
        self._rows = ui.column().classes("w-full gap-1")
        self._said = ui.label("Looking …").props("role=status").classes("text-sm")
        self._title = ui.label().classes("font-bold")
        self._log = ui.log(max_lines=LINES).classes("w-full h-64 text-xs")
        self._log.props('aria-label="Log"')
        self._log.set_visibility(False)
        view.every(1.0, self._look)
        view.every(1.0, self._look_at_log)

    async def _look(self) -> None:
        began = time.monotonic()
        if not self._pace.is_due(began):
            return
        try:
            found = await self._view.ask(self._read)
        except PlaygroundError as error:
            self._said.set_text(str(error))
        else:
            self._said.set_text("" if found else "This node offers no services.")
            if list(found) != list(self._status):
                self._draw(list(found))
            for name, (status, _) in found.items():
                self._status[name].set_text(str(cell(status)))
                running = status == "running"
                self._status[name].classes(
                    add="text-positive" if running else "text-negative",
                    remove="text-negative" if running else "text-positive",
                )
        now = time.monotonic()
        self._pace.looked(now, now - began)

    def _read(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        return {
            name: (one.status(), tuple(getattr(one, "ports", ())))
            for name, one in self._node.services.items()
        }

    def _draw(self, names: list[str]) -> None:
        self._rows.clear()
        self._status = {}
        with self._rows:
            for name in names:
                with ui.row().classes("w-full items-center gap-1"):
                    ui.label(str(cell(name))).classes("w-28 font-bold break-all")
                    self._status[name] = ui.label().classes("grow")
                    for words, what in (
                        ("Start", "start"),
                        ("Stop", "stop"),
                        ("Restart", "restart"),
                    ):
                        if self._view.may_change:
                            self._button(name, words, what)
                    log = ui.button("Log", on_click=lambda _, n=name: self._show_log(n))
                    log.props(f'dense flat no-caps size=sm aria-label="Log of {_word(name)}"')
        if self._chosen is None and names:
            self._show_log(names[0])

    def _button(self, name: str, words: str, what: str) -> None:
        async def act() -> None:
            button.disable()
            try:
                await self._view.act(self._do, name, what)
            finally:
                if not button.is_deleted:  # the panel was closed meanwhile
                    button.enable()
                self._pace.hurry()
                self._log_pace.hurry()

        button = ui.button(words, on_click=act)
        button.props(f'dense outline no-caps size=sm aria-label="{words} {_word(name)}"')

    def _do(self, name: str, what: str) -> None:
        service: Any = self._node.services[name]
        getattr(service, what)()

    # -- the log -------------------------------------------------------------

    def _show_log(self, name: str) -> None:
        self._chosen, self._text = name, ""
        self._title.set_text(f"Log of {cell(name)}")
        self._log.clear()
        self._log.set_visibility(True)
        self._log_pace.hurry()

    async def _look_at_log(self) -> None:
        name, began = self._chosen, time.monotonic()
        if name is None or not self._log_pace.is_due(began):
            return
        try:
            text = cut_log(await self._view.ask(self._read_log, name))
        except PlaygroundError as error:
            text = str(error)
        if name == self._chosen and text != self._text:
            new = added(self._text, text)
            self._text = text
            if new is None:
                self._log.clear()
            self._log.push(text if new is None else new)
        now = time.monotonic()
        self._log_pace.looked(now, now - began)

    def _read_log(self, name: str) -> str:
        service: Any = self._node.services[name]
        return str(service.log(lines=LINES))


def _word(name: str) -> str:
    """Return a name as it may stand in an attribute: letters, digits and the like."""
    return "".join(letter for letter in name if letter.isalnum() or letter in "-_. ")
