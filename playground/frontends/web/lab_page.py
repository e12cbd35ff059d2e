"""The page of a lab: its living picture, tools above it, and panels of what was clicked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nicegui import background_tasks, ui

from playground.frontends.web.editing.edit_panel import EditPanel
from playground.frontends.web.editing.not_yet import NotYet, with_draft
from playground.frontends.web.editing.running_lab import RunningLab
from playground.frontends.web.following.follow_panel import FollowPanel
from playground.frontends.web.link_keys import key_of
from playground.frontends.web.panel_drawer import PanelDrawer
from playground.frontends.web.picture_element import PictureElement
from playground.frontends.web.picture_watch import UNKNOWN
from playground.frontends.web.rights import Right
from playground.frontends.web.site import Site
from playground.frontends.web.view import LabView
from playground.frontends.web.widgets.zoom_buttons import zoom_buttons
from playground.operations.pictures.diagram import Diagram, drawn
from playground.operations.pictures.layout import Point
from playground.operations.pictures.live import PictureChange

_STYLE = Path(__file__).with_name("page.css")

# On a phone the field is hidden until somebody searches.
_SHOW_SEARCH = """() => {
    document.body.classList.toggle("pg-searching");
    document.querySelector(".pg-search input").focus();
}"""

_STATES = {"runs": "running", "rests": "not running", "gone": "gone", UNKNOWN: "not known now"}


async def build(view: LabView, site: Site) -> None:
    """Fill the page of a lab."""
    ui.add_css(_STYLE.read_text(encoding="utf-8"))
    ui.page_title(f"{view.lab.name} — playground")
    page = LabPage(view, site)
    await page.build()


class LabPage:
    """One page of a lab, in one browser."""

    def __init__(self, view: LabView, site: Site) -> None:
        self._view = view
        self._site = site
        self._watch = site.watch(view.name, view.lab)
        view.show_plan(lambda: self._watch.plan)
        # What is drawn and not applied, and how far it has moved the picture.
        self._draft: Diagram | None = None
        self._draft_shift: Point = (0.0, 0.0)
        self._dark = ui.dark_mode(None)
        # White upon it has a contrast of 6.5 (WCAG 2.2, 1.4.3 asks for 4.5).
        ui.colors(primary="#1f5fa8", positive="#1b7a3d")

    async def build(self) -> None:
        """Fill it."""
        view, watch = self._view, self._watch
        whole = await watch.join(self.show)
        view.on_close(lambda: watch.leave(self.show))
        self._drawer = PanelDrawer(view)
        self._follow = FollowPanel(view, watch)
        drawing = self._site.drawings.of_lab(view.name, view.key)
        edited = RunningLab(view.lab, None if drawing is None else drawing.file)
        self._edit = EditPanel(view, edited, self._show_draft) if view.may_change else None
        self._tools()
        shown = [name for name in ("realms",) if name in watch.layers]
        with ui.element("main").classes("pg-main"):
            self._picture = PictureElement(
                whole,
                watch.ends,
                shown,
                editable=view.may_change,
                on_open=self._open,
                on_moved=self._moved,
                on_reached=self._reached,
            )
        self._follow.attach(self._picture)
        # Until the first look, which may be a moment away.
        known = {"lab": {"data-state": "runs" if view.lab.running else "rests"}}
        self._say_state(known | whole.attributes)
        zoom_buttons(self._picture)

    def show(self, change: PictureChange) -> None:
        """Show what has changed in the lab."""
        self._say_state(change.attributes)
        if change.svg is not None and self._draft is not None:
            background_tasks.create(self._draw_draft(self._draft), name="picture of a draft")
        else:
            self._picture.show(change, self._watch.ends)
        if lines_changed(change):
            self._follow.changed()

    # -- what is drawn, and not there yet -------------------------------------------

    async def _show_draft(self, wanted: Diagram | None) -> None:
        """Show a draft upon what runs, to whoever draws it; None shows what runs alone."""
        had, self._draft = self._draft, wanted
        if wanted is not None:
            await self._draw_draft(wanted)
        elif had is not None:
            self._draft_shift = (0.0, 0.0)
            self._picture.show(await self._watch.whole(), self._watch.ends)

    async def _draw_draft(self, wanted: Diagram) -> None:
        # In a thread: a large picture would hold up the pages of all labs.
        made, change = await self._view.ask(self._drawn, wanted)
        if self._draft is not wanted or self._view.closed:
            return
        self._draft_shift = made.shift
        self._picture.show(change, [(cable.a, cable.b) for cable in made.diagram.cables])

    def _drawn(self, wanted: Diagram) -> tuple[NotYet, PictureChange]:
        watch = self._watch
        assert self._edit is not None and watch.diagram is not None and watch.layout is not None
        said = self._edit.parts.positions
        places = {name: (x + watch.shift[0], y + watch.shift[1]) for name, (x, y) in said.items()}
        made = with_draft(watch.diagram, watch.layout, wanted, places)
        return made, PictureChange(
            watch.drawn_with(made.diagram, made.layout),
            {part: {**watch.attributes.get(part, {}), **mark} for part, mark in made.marks.items()}
            | {part: said for part, said in watch.attributes.items() if part not in made.marks},
        )

    # -- above the picture ---------------------------------------------------------

    def _tools(self) -> None:
        view = self._view
        with ui.header().classes("items-center gap-2 py-1 px-3 no-wrap"):
            ui.label(view.lab.name).classes("text-lg font-bold ellipsis")
            self._state = ui.badge("", color="grey-8").classes("text-sm")
            if not view.may_change:
                ui.badge("look only", color="orange-10").classes("text-sm")
            ui.space()
            search = ui.input(placeholder="Search", on_change=lambda e: self._picture.find(e.value))
            search.props('dense dark standout clearable debounce=200 aria-label="Search"').classes(
                "w-40 pg-search"
            )
            ui.button(icon="search").classes("pg-narrow").props(
                'flat round dense color=white aria-label="Search for a node"'
            ).on("click", js_handler=_SHOW_SEARCH)
            self._tool("Follow a packet", "route", self._toggle_follow)
            if self._edit is not None:
                self._tool("Edit", "edit", self._toggle_edit)
            self._layer_menu()
            if view.may_change:
                with ui.button(icon="share", on_click=self._share).props(
                    'flat round dense color=white aria-label="Share"'
                ):
                    ui.tooltip("Share")
            # A phone has a switch of its own for that, and no room for ours.
            ui.button(icon="contrast", on_click=self._turn_theme).classes("pg-wide").props(
                'flat round dense color=white aria-label="Dark or light"'
            )

    def _tool(self, words: str, icon: str, use: Callable[[], Any]) -> None:
        """Make a button of the header: on a phone it is its icon alone."""
        with ui.button(icon=icon, on_click=use) as button:
            ui.label(words).classes("pg-wide ml-2")
        button.props(
            f'dense no-caps unelevated color=white text-color=primary aria-label="{words}"'
        ).classes("px-2")

    def _share(self) -> None:
        """Show addresses for others: each is a token of its own, one for all pages of a lab."""
        addresses = self._addresses()
        with ui.dialog(value=True) as dialog, ui.card().classes("w-full max-w-2xl"):
            ui.label("Share this lab").classes("text-lg font-bold")
            for words, address in addresses.items():
                ui.label(words).classes("text-sm")
                field = ui.input(value=address).props("readonly dense outlined").classes("w-full")
                with field.add_slot("append"):
                    ui.button(icon="content_copy").props('flat dense round aria-label="Copy"').on(
                        "click", js_handler=f"() => navigator.clipboard.writeText({address!r})"
                    )
            ui.button("Close", on_click=dialog.close).props("flat no-caps")
        dialog.on_value_change(lambda event: None if event.value else dialog.delete())

    def _addresses(self) -> dict[str, str]:
        site, name, key = self._site, self._view.name, self._view.key
        path = quote(name, safe="")
        return {
            "To look only: nothing can be changed with it.": site.shared(
                f"/look/{path}", Right(name, bound_to=key)
            ),
            "To work with this lab, and no other: its holder is root on its machines.": (
                site.shared(f"/lab/{path}", Right(name, may_change=True, bound_to=key))
            ),
        }

    def _layer_menu(self) -> None:
        layers = self._watch.layers
        if not layers:
            return
        boxes: dict[str, ui.checkbox] = {}

        def shown() -> None:
            self._picture.show_layers([name for name, box in boxes.items() if box.value])

        with ui.button(icon="layers").props('flat round dense color=white aria-label="Layers"'):
            ui.tooltip("Layers")
            with ui.menu().props("auto-close=false"), ui.column().classes("p-3 gap-0"):
                for name, title in layers.items():
                    boxes[name] = ui.checkbox(title, value=name == "realms", on_change=shown)

    def _turn_theme(self) -> None:
        self._dark.value = {None: True, True: False, False: None}[self._dark.value]
        # The picture's colours follow an attribute of what it stands in.
        scheme = {None: "", True: "slate", False: "default"}[self._dark.value]
        ui.run_javascript(f"document.body.setAttribute('data-md-color-scheme', '{scheme}')")

    def _say_state(self, attributes: Any) -> None:
        word = attributes.get("lab", {}).get("data-state")
        if word is None:
            return
        self._state.text = _STATES.get(word, word)
        self._state.props(f"color={'green-9' if word == 'runs' else 'grey-8'}")

    # -- what was clicked -------------------------------------------------------------

    async def _open(self, part: str) -> None:
        kind, _, name = part.partition(" ")
        plan = self._view.plan()
        if kind == "node" and self._edit is not None and self._edit.is_open:
            # Also one that is not there yet.
            if name in self._edit.parts.nodes:
                self._edit.choose(name)
        elif kind == "node" and name in self._view.lab:
            if self._follow.is_open:
                self._follow.choose(name)
                return
            await self._drawer.open_node(name)
        elif kind in ("cable", "label", "note") and name.isdecimal():
            wires = drawn(plan)
            if int(name) < len(wires):
                await self._close_left()
                await self._drawer.open_link(key_of(wires[int(name)]))

    async def _toggle_edit(self) -> None:
        assert self._edit is not None
        if not self._edit.is_open:
            await self._close_others()
        await self._edit.toggle()

    async def _toggle_follow(self) -> None:
        if not self._follow.is_open:
            await self._close_others()
        self._follow.toggle()

    async def _close_others(self) -> None:
        await self._drawer.close()
        await self._close_left()

    async def _close_left(self) -> None:
        """Leave the room to one panel: between two of them the picture would be a thumbnail."""
        if self._follow.is_open:
            self._follow.toggle()
        if self._edit is not None and self._edit.is_open:
            await self._edit.toggle()

    def _reached(self, step: int) -> None:
        self._follow.reached(step)

    async def _moved(self, name: str, x: float, y: float) -> None:
        self._view.check_may_change()
        x, y = x - self._draft_shift[0], y - self._draft_shift[1]
        if not all(abs(one) < 1e6 for one in (x, y)):
            return
        if name in self._watch.places:
            await self._watch.move(name, (x, y))
        elif self._edit is not None and name in self._edit.parts.nodes:
            left, up = self._watch.shift
            await self._edit.put(name, (x - left, y - up))


def lines_changed(change: PictureChange) -> bool:
    """Tell whether a line has gone down or come up, or passes frames in another way.

    >>> lines_changed(PictureChange(None, {"cable 3": {"data-state": "down"}}))
    True
    >>> lines_changed(PictureChange(None, {"cable 3": {"data-a": "5"}}))
    False

    """
    # A picture that was drawn anew says the state of every line.
    return change.svg is None and any(
        part.startswith("cable ") and "data-state" in values
        for part, values in change.attributes.items()
    )
