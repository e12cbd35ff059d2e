"""The drawer in which the panels of one node or link are open."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from playground.frontends.web.link_keys import links_by_key
from playground.frontends.web.panel_table import OF_LINKS, OF_NODES, Panel
from playground.frontends.web.view import LabView


class PanelDrawer:
    """The panels of what was clicked last; others were closed, and gave back what they had."""

    def __init__(self, view: LabView) -> None:
        self._view = view
        self._part: LabView | None = None
        with ui.right_drawer(value=False, bordered=True).props(
            "width=520 overlay behavior=desktop"
        ) as drawer:
            self._drawer = drawer
        # Beside the picture on a wide screen, above it on a phone: see page.css.
        drawer.on_value_change(
            lambda event: ui.query("body").classes(
                **{"add" if event.value else "remove": "pg-beside"}
            )
        )

    async def open_node(self, name: str) -> None:
        """Open the panels of a node."""
        await self._open(name, name, [one for one in OF_NODES if one.fits(self._view, name)])

    async def open_link(self, key: str) -> None:
        """Open the panels of a link."""
        links = links_by_key(self._view.lab, self._view.plan())
        title = " — ".join(end.node.name for end in links[key].ends) if key in links else key
        await self._open(key, title, [one for one in OF_LINKS if one.fits(self._view, key)])

    async def close(self) -> None:
        """Close them, and give back what they have opened."""
        part, self._part = self._part, None
        self._drawer.clear()
        self._drawer.hide()
        if part is not None:
            await part.close_soon()

    async def _open(self, name: str, title: str, panels: Sequence[Panel]) -> None:
        await self.close()
        self._part = part = self._view.part()
        with self._drawer:
            with ui.row().classes("w-full items-center no-wrap"):
                ui.label(title).classes("text-lg font-bold grow break-all")
                ui.button(icon="close", on_click=self.close).props(
                    'flat round dense aria-label="Close"'
                )
            tabs = ui.tabs().classes("w-full").props("dense no-caps outside-arrows mobile-arrows")
            built: set[str] = set()
            # Kept: a terminal that one comes back to is the same.
            with ui.tab_panels(tabs, keep_alive=True).classes("w-full bg-transparent") as bodies:
                for panel in panels:
                    with tabs:
                        ui.tab(panel.TITLE)
                    with ui.tab_panel(panel.TITLE).classes("p-0"):
                        slot = ui.column().classes("w-full")
                    self._build_when_shown(panel, slot, part, name, bodies, built)
            if panels:
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
                    panel.build(part.part(lambda: bodies.value == panel.TITLE), name)

        bodies.on_value_change(shown)
