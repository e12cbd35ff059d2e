"""The connections that a node keeps in mind (conntrack), with what NAT makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from playground.frontends.web.content.cells import MOST_ROWS
from playground.frontends.web.view import LabView
from playground.frontends.web.widgets.live_table import LiveTable
from playground.operations.nodes.connections import Connection, connections, forget

TITLE = "Connections"

_COLUMNS = ("protocol", "from", "to", "translated_to", "state", "expires_s")

_NOBODY = "No connection is tracked now: nobody has spoken by this node lately."
_UNTRACKED = "This node tracks no connections: it neither translates addresses nor filters."


def fits(view: LabView, name: str) -> bool:
    """Only a host or router keeps connections in mind."""
    return view.is_machine(name)


def build(view: LabView, name: str) -> None:
    """Show a row a connection; whoever may change the lab can have all forgotten."""
    node = view.machine(name)
    table = LiveTable(
        view,
        _COLUMNS,
        lambda: map(_row, connections(node, most=MOST_ROWS)),
        numbers=["expires_s"],
        empty=_NOBODY if _is_tracking(view, name) else _UNTRACKED,
    )

    async def forget_all() -> None:
        count = await view.act(forget, node)
        ui.notify(f"{count} connection{'s' * (count != 1)} forgotten")
        table.hurry()

    if view.may_change:
        ui.button("Forget all", on_click=forget_all).props("outline dense no-caps")


def _is_tracking(view: LabView, name: str) -> bool:
    """Tell whether the lab's own rules make the kernel track connections there."""
    return bool(view.plan().node(name).ruleset)


def _row(one: Connection) -> Mapping[str, Any]:
    return {
        "protocol": one.protocol,
        "from": _end(one.source, one.source_port),
        "to": _end(one.destination, one.destination_port),
        "translated_to": _translated(one),
        "state": one.state,
        "expires_s": one.expires_s,
    }


def _translated(one: Connection) -> str:
    """Return the two ends as the far side sees them, where NAT changes any; else nothing."""
    if not one.translated:
        return ""
    # The answers go the other way.
    source = _end(one.answers_to, one.answers_to_port)
    return f"{source} → {_end(one.answers_from, one.answers_from_port)}"


def _end(address: str, port: int | None) -> str:
    shown = f"[{address}]" if ":" in address else address
    return shown if port is None else f"{shown}:{port}"
