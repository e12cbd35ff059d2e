"""The routes of a node, as its kernel has them now."""

from __future__ import annotations

from playground.frontends.web.view import LabView
from playground.frontends.web.widgets.live_table import LiveTable
from playground.operations.nodes.routes import routes

TITLE = "Routes"

_COLUMNS = ("destination", "via", "interface", "metric", "protocol", "kind", "table")


def fits(view: LabView, name: str) -> bool:
    """Only a host or router has routes."""
    return view.is_machine(name)


def build(view: LabView, name: str) -> None:
    """Show a row a next hop, of all tables but the kernel's own."""
    node = view.machine(name)
    LiveTable(
        view,
        _COLUMNS,
        lambda: routes(node).rows,
        numbers=["metric"],
        empty="This node has no routes.",
    )
