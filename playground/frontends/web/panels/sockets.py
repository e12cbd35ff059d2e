"""The sockets of a node that wait for somebody, and the processes that run there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nicegui import ui

from playground.frontends.web.view import LabView
from playground.frontends.web.widgets.live_table import LiveTable
from playground.operations.diagnosis.evidence.network_state import read_states
from playground.operations.network import Machine
from playground.operations.nodes.processes import processes

TITLE = "Sockets"

_COLUMNS = ("protocol", "address", "port", "program")
_PROCESSES = ("pid", "user", "state", "memory_mb", "cpu_s", "command")


def fits(view: LabView, name: str) -> bool:
    """Only a host or router has sockets."""
    return view.is_machine(name)


def build(view: LabView, name: str) -> None:
    """Show who listens where, and below it what runs."""
    node = view.machine(name)
    ui.label("Listening").classes("font-bold")
    LiveTable(
        view, _COLUMNS, lambda: _waiting(node), numbers=["port"], empty="Nothing listens here."
    )
    ui.label("Processes").classes("font-bold")
    LiveTable(
        view,
        _PROCESSES,
        lambda: processes(node).rows,
        numbers=["pid", "memory_mb", "cpu_s"],
        interval_s=4.0,
    )


def _waiting(node: Machine) -> Iterator[Mapping[str, Any]]:
    live = node.running()
    state = read_states(live.agent, {node.name: live.pid}, with_connections=False)[node.name]
    for one in state.sockets:
        yield {
            "protocol": one.protocol,
            "address": one.address,
            "port": one.port,
            "program": one.program,
        }
