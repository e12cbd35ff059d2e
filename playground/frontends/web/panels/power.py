"""The power of a node: taken from it, and given again."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from playground.frontends.web.view import LabView

TITLE = "Power"


def fits(view: LabView, name: str) -> bool:
    """A switch has no switch."""
    return view.is_machine(name)


def build(view: LabView, name: str) -> None:
    """Show whether it runs, with buttons that stop, start and restart it."""
    node = view.machine(name)
    state = ui.label().classes("font-bold").props("role=status")
    ui.label(
        "A node that is stopped keeps its files, links and declared addresses; what it knew and "
        "all that ran on it is gone."
    ).classes("text-sm")
    with ui.row():
        buttons = [
            _button(view, words, what)
            for words, what in (
                ("Start", lambda: node.start()),
                ("Stop", node.stop),
                ("Restart", node.restart),
            )
        ]
    start, stop, restart = buttons

    def look() -> None:
        runs = node.is_running
        state.set_text(f"{node.name} runs." if runs else f"{node.name} is stopped.")
        if view.may_change:
            start.set_enabled(not runs)
            stop.set_enabled(runs)
            restart.set_enabled(runs)

    look()
    view.every(1.0, look)


def _button(view: LabView, words: str, what: Callable[[], object]) -> ui.button:
    async def act() -> None:
        button.props(add="loading")
        try:
            await view.act(what)
        finally:
            button.props(remove="loading")

    button = ui.button(words, on_click=act).props("no-caps outline")
    button.set_enabled(view.may_change)
    return button
