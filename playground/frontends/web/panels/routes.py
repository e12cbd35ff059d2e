"""The routes of a node, as its kernel has them now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playground.frontends.web.content.cells import MOST_ROWS
from playground.frontends.web.view import LabView
from playground.frontends.web.widgets.live_table import LiveTable
from playground.operations.nodes.routes import routes
from playground.planning.route_rows import Route

TITLE = "Routes"

# Six fit into a panel beside the picture.
_COLUMNS = ("destination", "via", "interface", "metric", "protocol", "table")


def fits(view: LabView, name: str) -> bool:
    """Only a host or router has routes."""
    return view.is_machine(name)


def build(view: LabView, name: str) -> None:
    """Show a row a next hop, of all tables but the kernel's own."""
    node = view.machine(name)
    LiveTable(
        view,
        _COLUMNS,
        lambda: map(_row, routes(node, most=MOST_ROWS)),
        numbers=["metric"],
        empty="This node has no routes.",
    )


def _row(route: Route) -> Mapping[str, Any]:
    """Return the row of a route; one that leads nowhere says so where others have a next hop."""
    return {
        "destination": route.destination,
        "via": route.via if route.kind == "unicast" else route.kind,
        "interface": route.interface,
        "metric": route.metric,
        "protocol": route.protocol,
        "table": route.table,
    }
