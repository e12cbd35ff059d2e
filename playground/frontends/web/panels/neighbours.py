"""The neighbours of a node: on its links, and those that its routing daemons know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nicegui import ui

from playground.frontends.web.content.neighbour_rows import (
    DAEMON_COLUMNS,
    LINK_COLUMNS,
    daemon_rows,
    link_rows,
)
from playground.frontends.web.view import LabView
from playground.frontends.web.widgets.live_table import LiveTable
from playground.model.services.frr import ROUTING
from playground.operations.captures.frames import Directory
from playground.operations.diagnosis.evidence.daemon_states import ask_daemons
from playground.operations.diagnosis.evidence.network_state import read_states
from playground.operations.network import Machine

TITLE = "Neighbours"

# Each look starts a few programs on the router.
_DAEMONS_INTERVAL_S = 4.0


def fits(view: LabView, name: str) -> bool:
    """Only a host or router knows its neighbours."""
    return view.is_machine(name)


def build(view: LabView, name: str) -> None:
    """Show who has answered on its links, and on a router the neighbours of its daemons."""
    node = view.machine(name)
    ui.label("On its links (ARP, NDP)").classes("font-bold")
    LiveTable(
        view,
        LINK_COLUMNS,
        lambda: _on_links(view, node),
        empty="It has spoken with nobody lately.",
    )
    if _is_routing(view, name):
        ui.label("Of its routing daemons").classes("font-bold")
        LiveTable(
            view,
            DAEMON_COLUMNS,
            lambda: _of_daemons(node),
            empty="Its daemons know no neighbour.",
            interval_s=_DAEMONS_INTERVAL_S,
        )


def _is_routing(view: LabView, name: str) -> bool:
    plan = view.lab.running_plan().node(name)
    return any(item.service in ROUTING for item in plan.services)


def _on_links(view: LabView, node: Machine) -> Iterator[Mapping[str, Any]]:
    live = node.running()
    states = read_states(live.agent, {node.name: live.pid}, with_connections=False)
    return link_rows(states[node.name].neighbours, Directory.of(view.lab.running_plan()))


def _of_daemons(node: Machine) -> Iterator[Mapping[str, Any]]:
    live = node.running()
    if live.plan is None:
        return iter(())
    return daemon_rows(ask_daemons(live.agent, [live.plan], {node.name: live.pid})[node.name])
