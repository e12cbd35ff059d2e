"""A node as it was declared and planned: kind, interfaces, services."""

from __future__ import annotations

from nicegui import ui

from playground.frontends.web.view import LabView

TITLE = "Overview"


def fits(view: LabView, name: str) -> bool:
    """Every node has one."""
    return True


def build(view: LabView, name: str) -> None:
    """Show its interfaces with their addresses, and its services."""
    for row in rows(view, name):
        ui.label(row).classes("font-mono text-sm whitespace-pre-wrap break-all")


def rows(view: LabView, name: str) -> list[str]:
    """Return what is said of a node, a line each."""
    plan = view.plan()
    found = [node for node in plan.nodes if node.name == name]
    if not found:
        links = sum(name in (wire.a.node, wire.b.node) for wire in plan.wires)
        return [f"a switch with {links} link{'s' * (links != 1)}"]
    (node,) = found
    lines = [f"a {node.kind}"]
    lines += [
        f"{item.name}  {', '.join(map(str, item.addresses)) or 'no address'}  {item.mac}"
        for item in node.interfaces
    ]
    if node.services:
        lines.append(f"services: {', '.join(settings.label for settings in node.services)}")
    return lines
