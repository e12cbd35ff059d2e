"""The page of a lab: its picture, and beside it the panels of what was clicked."""

from __future__ import annotations

from nicegui import ui

from playground.frontends.web.link_keys import links_by_key
from playground.frontends.web.panel_table import OF_LINKS, OF_NODES, Panel
from playground.frontends.web.view import LabView


class PanelDrawer:
    """The drawer in which the panels of one node or link are open; at most one at a time."""

    def __init__(self, view: LabView) -> None:
        self._view = view
        self._part: LabView | None = None
        with ui.right_drawer(value=False, bordered=True).props("width=480 overlay") as drawer:
            self._drawer = drawer

    async def open_node(self, name: str) -> None:
        """Open the panels of a node."""
        await self._open(name, name, [one for one in OF_NODES if one.fits(self._view, name)])

    async def open_link(self, key: str) -> None:
        """Open the panels of a link."""
        wires = links_by_key(self._view.lab)
        title = " — ".join(end.node.name for end in wires[key].ends) if key in wires else key
        await self._open(key, title, [one for one in OF_LINKS if one.fits(self._view, key)])

    async def close(self) -> None:
        """Close them, and give back what they have opened."""
        part, self._part = self._part, None
        self._drawer.clear()
        self._drawer.hide()
        if part is not None:
            await part.close_soon()

    async def _open(self, name: str, title: str, panels: list[Panel]) -> None:
        await self.close()
        self._part = part = self._view.part()
        with self._drawer:
            with ui.row().classes("w-full items-center no-wrap"):
                ui.label(title).classes("text-lg font-bold grow break-all")
                ui.button(icon="close", on_click=self.close).props(
                    'flat round dense aria-label="Close"'
                )
            tabs = ui.tabs().classes("w-full").props("dense outside-arrows mobile-arrows")
            built: set[str] = set()
            with ui.tab_panels(tabs).classes("w-full bg-transparent") as bodies:
                for panel in panels:
                    with tabs:
                        ui.tab(panel.TITLE)
                    with ui.tab_panel(panel.TITLE).classes("p-0"):
                        slots = ui.column().classes("w-full")
                    self._build_when_shown(panel, slots, part, name, bodies, built)
            bodies.value = panels[0].TITLE
        self._drawer.show()

    def _build_when_shown(
        self,
        panel: Panel,
        slot: ui.column,
        part: LabView,
        name: str,
        bodies: ui.tab_panels,
        built: set[str],
    ) -> None:
        # A panel that nobody looks at opens no terminal and asks no host.
        def shown() -> None:
            if bodies.value == panel.TITLE and panel.TITLE not in built:
                built.add(panel.TITLE)
                with slot:
                    panel.build(part, name)

        bodies.on_value_change(shown)


async def build(view: LabView) -> None:
    """Fill the page of a lab."""
    drawer = PanelDrawer(view)
    with ui.header().classes("items-center"):
        ui.label(view.lab.name).classes("text-lg font-bold")
        ui.label("running" if view.lab.running else "not running").classes("text-sm")
        if not view.may_change:
            ui.badge("look only")
    picture = await view.ask(view.lab.picture)
    # Made by us, every word of it escaped (`pictures.svg`).
    ui.html(await view.ask(picture.svg), sanitize=False).classes("w-full overflow-auto")
    with ui.row():
        for node in view.lab.nodes:
            ui.button(node.name, on_click=lambda name=node.name: drawer.open_node(name)).props(
                "dense outline no-caps"
            )
    with ui.row():
        for key in links_by_key(view.lab):
            ui.button(key, on_click=lambda key=key: drawer.open_link(key)).props(
                "dense flat no-caps"
            )
