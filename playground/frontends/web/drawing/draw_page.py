"""The page on which a lab is drawn that is not started: its picture, and a panel to edit it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from nicegui import ui

from playground.frontends.web import picture_element
from playground.frontends.web.drawing.drawing import Drawing
from playground.frontends.web.editing.edit_panel import EditPanel
from playground.frontends.web.editing.not_yet import marked_new
from playground.frontends.web.picture_element import PictureElement
from playground.frontends.web.widgets.zoom_buttons import zoom_buttons
from playground.operations.pictures.diagram import Diagram
from playground.operations.pictures.layers import draw_layered
from playground.operations.pictures.layout import Layout, Point, place
from playground.operations.pictures.live import PictureChange

R = TypeVar("R")

_STYLE = Path(picture_element.__file__).with_name("page.css")
_EMPTY = Layout(320.0, 200.0, {}, (), ())
_NOTHING = Diagram("nothing is drawn yet", (), (), ())


async def build(drawing: Drawing, threads: Executor) -> None:
    """Fill the page of a drawing."""
    ui.add_css(_STYLE.read_text(encoding="utf-8"))
    ui.page_title(f"{drawing.name} — playground")
    ui.colors(primary="#1f5fa8", positive="#1b7a3d")
    await DrawPage(drawing, threads).begin()


class DrawPage:
    """One page of a drawing, in one browser: its draft is its own until it is saved."""

    def __init__(self, drawing: Drawing, threads: Executor) -> None:
        self._drawing = drawing
        self._threads = threads
        self._shift: Point = (0.0, 0.0)
        with ui.header().classes("items-center gap-2 py-1 px-3 no-wrap"):
            ui.label(drawing.name).classes("text-lg font-bold ellipsis")
            ui.badge("not started", color="grey-8").classes("text-sm")
            ui.space()
            ui.label(drawing.filename).classes("text-sm ellipsis")
        self._edit = EditPanel(
            self, drawing, self._show, self._started, on_save=drawing.save, stays_open=True
        )
        with ui.element("main").classes("pg-main"):
            self._hint = ui.label(
                "Nothing is drawn yet: choose Host, Router or Switch, give it a name, and Add."
            ).classes("pg-hint text-base")
            self._picture = PictureElement(
                PictureChange(draw_layered(_NOTHING, _EMPTY, {}), {}),
                [],
                [],
                editable=True,
                on_open=self._open,
                on_moved=self._moved,
                on_reached=lambda step: None,
            )
        zoom_buttons(self._picture)

    async def begin(self) -> None:
        """Show what stands in the file."""
        await self._edit.reload()

    async def ask(self, function: Callable[..., R], *args: Any) -> R:
        """Call what may wait, in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *args)

    act = ask  # who has this page may change all that it shows

    async def _show(self, diagram: Diagram | None) -> None:
        if diagram is None:
            return
        self._hint.set_visibility(not diagram.cards)
        layout = await self.ask(place, diagram) if diagram.cards else _EMPTY
        made = marked_new(diagram, layout, self._edit.parts.positions)
        self._shift = made.shift
        svg = await self.ask(draw_layered, made.diagram, made.layout, {})
        ends = [(cable.a, cable.b) for cable in diagram.cables]
        self._picture.show(PictureChange(svg, made.marks), ends)

    async def _started(self, text: str) -> None:
        ui.navigate.to(f"/lab/{quote(self._drawing.name, safe='')}")

    async def _open(self, part: str) -> None:
        kind, _, name = part.partition(" ")
        if kind == "node" and name in self._edit.parts.nodes:
            self._edit.choose(name)

    async def _moved(self, name: str, x: float, y: float) -> None:
        if all(abs(one) < 1e6 for one in (x, y)):
            await self._edit.put(name, (x - self._shift[0], y - self._shift[1]))
