"""A link as it was declared and planned: its two ends."""

from __future__ import annotations

from nicegui import ui

from playground.frontends.web.link_keys import key_of
from playground.frontends.web.view import LabView

TITLE = "Overview"


def fits(view: LabView, name: str) -> bool:
    """Every link has one."""
    return True


def build(view: LabView, name: str) -> None:
    """Show both ends, and whether frames pass."""
    for row in rows(view, name):
        ui.label(row).classes("font-mono text-sm")


def rows(view: LabView, name: str) -> list[str]:
    """Return what is said of a link, a line each."""
    wire = next(wire for wire in view.plan().wires if key_of(wire) == name)
    return [
        *(f"{end.node}  {end.interface}" for end in (wire.a, wire.b)),
        "up" if wire.up else "down: no frame passes",
    ]
