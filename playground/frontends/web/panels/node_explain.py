"""Why a packet of this node does not arrive, or how it does: `Lab.explain` to another."""

from __future__ import annotations

from nicegui import ui

from playground.display.safe_text import visible
from playground.frontends.web.content import cells
from playground.frontends.web.explaining.probe import follow
from playground.frontends.web.view import LabView
from playground.operations.diagnosis.evidence.explanation import Explanation

TITLE = "Explain to …"

_COLUMNS = ("node", "asked", "found", "ok")


def fits(view: LabView, name: str) -> bool:
    """Only a host or router sends packets of its own."""
    return view.is_machine(name)


def build(view: LabView, name: str) -> None:
    """Ask for a node, a name or an address, and perhaps a port; show what was looked at."""
    others = [node.name for node in view.lab.nodes if view.is_machine(node.name)]
    with ui.row().classes("w-full items-end"):
        target = ui.input("To (a node, a name or an address)", autocomplete=others)
        port = ui.number("Port (empty: ping)", min=1, max=65535, format="%d").classes("w-32")
        protocol = ui.select(["tcp", "udp"], value="tcp", label="Protocol").classes("w-24")
        button = ui.button("Explain").props("no-caps")
    verdict = ui.label().classes("text-base font-bold whitespace-pre-wrap").props("role=status")
    advice = ui.label().classes("whitespace-pre-wrap")
    path = ui.label().classes("font-mono text-sm")
    table = ui.table(columns=cells.columns(_COLUMNS), rows=[], row_key="row").classes("w-full")
    table.props("dense flat wrap-cells")
    table.set_visibility(False)

    async def ask() -> None:
        if not target.value:
            ui.notify("Say to whom: a node, a name or an address", type="warning")
            return
        number = None if port.value is None else int(port.value)
        button.disable()
        try:
            found = await follow(view, name, str(target.value), number, protocol.value)
        finally:
            if not button.is_deleted:
                button.enable()
        if verdict.is_deleted:  # the panel was closed meanwhile
            return
        verdict.set_text(words(found))
        advice.set_text(visible(found.advice))
        path.set_text(" → ".join(found.path))
        table.rows = cells.rows(found.steps.rows, _COLUMNS)
        table.set_visibility(True)

    button.on_click(ask)
    target.on("keydown.enter", ask)
    if not view.may_change:
        ui.label("To look only: a ping, or tcp to a node of this lab.").classes("text-sm")


def words(found: Explanation) -> str:
    """Return what is said of a packet, on one line of visible text or more."""
    mark = "✓ it arrives" if found.ok else f"✗ {found.cause} at {found.node}"
    return visible(f"{mark}: {found.sentence}")
