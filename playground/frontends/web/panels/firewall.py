"""The firewall of a node: its rules, with counters that move."""

from __future__ import annotations

from nicegui import ui

from playground.frontends.web.content.firewall_rows import COLUMNS, NUMBERS, MovingCounters
from playground.frontends.web.view import LabView
from playground.frontends.web.widgets.live_table import LiveTable

TITLE = "Firewall"

_RULESET_CHARACTERS = 100_000


def fits(view: LabView, name: str) -> bool:
    """Only a host or router filters."""
    return view.is_machine(name)


def build(view: LabView, name: str) -> None:
    """Show the rules in the order in which the kernel tries them, and its whole ruleset."""
    node = view.machine(name)
    counters = MovingCounters()
    LiveTable(
        view,
        COLUMNS,
        lambda: counters.rows(node.firewall.rules()),
        numbers=NUMBERS,
        empty="This firewall has no rules: everything passes.",
        interval_s=1.0,
    )
    shown = ui.expansion("As nft list ruleset prints it").classes("w-full")
    with shown:
        text = ui.label().classes("w-full font-mono text-xs whitespace-pre overflow-x-auto")

    async def load() -> None:
        if shown.value:
            ruleset = await view.ask(node.firewall.ruleset)
            text.set_text(ruleset[:_RULESET_CHARACTERS] or "(empty)")

    shown.on_value_change(load)
