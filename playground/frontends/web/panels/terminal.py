"""Terminals on a node: shells in its own pseudoterminals, which others may look at too."""

from __future__ import annotations

from nicegui import ui

from playground.frontends.web.sessions.terminals import Terminal
from playground.frontends.web.view import LabView
from playground.frontends.web.widgets.terminal_box import TerminalBox

TITLE = "Terminal"

# Until a browser has said what it has room for.
_FIRST_SIZE = (80, 24)


def fits(view: LabView, name: str) -> bool:
    """Only on a host or router a shell can run."""
    return view.is_machine(name)


def build(view: LabView, name: str) -> None:
    """Open a terminal at once, more by a button; join those that others have open."""
    _Terminals(view, name)


class _Terminals:
    """The terminals of one node in one panel."""

    def __init__(self, view: LabView, name: str) -> None:
        self._view, self._name = view, name
        self._mine: set[Terminal] = set()
        self._offered: list[tuple[Terminal, int]] | None = None
        with ui.row().classes("w-full items-center"):
            if view.may_change:
                self._user = ui.select(["root", *view.lab.users], value="root", label="as")
                self._user.classes("w-28").props("dense")
                new = ui.button("New terminal", icon="add", on_click=self._new)
                new.props("no-caps dense outline")
            self._offers = ui.row().classes("items-center")
        self._none = ui.label("Nobody has a terminal open on this node.")
        self._boxes = ui.column().classes("w-full")
        self._none.set_visibility(not view.may_change)
        if view.may_change:
            ui.timer(0, self._new, once=True)
        view.every(1.0, self._offer)

    async def _new(self) -> None:
        node = self._view.machine(self._name)
        user = None if self._user.value == "root" else str(self._user.value)
        box = self._box(f"{self._user.value}@{node.short}")
        try:
            terminal = await self._view.act(
                self._view.terminals.open, self._view.name, node, user, _FIRST_SIZE, box.looker
            )
        except BaseException:
            box.column.delete()
            raise
        self._mine.add(terminal)
        box.show(terminal)

    async def _join(self, terminal: Terminal) -> None:
        self._mine.add(terminal)
        box = self._box(f"terminal {terminal.number} of {terminal.node}")
        await self._view.ask(terminal.join, box.looker)
        box.show(terminal)
        self._offer()

    def _box(self, title: str) -> TerminalBox:
        with self._boxes:
            return TerminalBox(self._view, title, self._mine.discard)

    def _offer(self) -> None:
        """Offer the terminals of others to be looked at."""
        there = self._view.terminals.of(self._view.name, self._name)
        offered = [(one, one.lookers) for one in there if one not in self._mine]
        if offered == self._offered:
            return
        self._offered = offered
        self._offers.clear()
        with self._offers:
            for terminal, lookers in offered:
                user = terminal.user or "root"
                words = f"Look at terminal {terminal.number} ({user}, {lookers} at it)"
                button = ui.button(words, on_click=lambda _, t=terminal: self._join(t))
                button.props("no-caps dense flat")
        self._none.set_visibility(not (self._view.may_change or offered or self._mine))
