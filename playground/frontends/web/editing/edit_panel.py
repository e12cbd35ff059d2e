"""The panel that edits a lab: forms, its file and its program, and what applying would change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from nicegui import ui

from playground.display.safe_text import visible
from playground.errors import BadArgument, PlaygroundError
from playground.frontends.web.editing import draft
from playground.frontends.web.editing.edited import Edited, Looked
from playground.frontends.web.editing.form_fields import (
    CHECK,
    COUNT,
    DECIMAL,
    Field,
    fields_of,
    shown,
    typed,
)
from playground.operations.pictures.diagram import Diagram

_KINDS = {"host": "Host", "router": "Router", "switch": "Switch", "link": "Link"}
_MOST_ROWS = 200

_HINTS = {
    "add": "A click on a node of the picture changes that one.",
    "link": "Choose two nodes, here or by a click on each.",
    "edit": "Choose Host, Router, Switch or Link above to add another.",
}


R = TypeVar("R")


class EditingPage(Protocol):
    """The page, as far as the panel needs it: `LabView.ask` and `LabView.act`."""

    async def ask(self, function: Callable[..., R], *args: Any) -> R: ...

    async def act(self, function: Callable[..., R], *args: Any) -> R: ...


async def _nothing(text: str) -> None:
    return None


def _looked_at(edited: Edited, text: str) -> tuple[Looked, draft.Parts]:
    return edited.look(text), draft.parts_of(text)


class EditPanel:
    """A drawer in which a draft of the lab is changed, until it is applied to what runs.

    ``on_draft`` is told of each draft that was taken, None where there is none; ``on_done`` is
    waited for when one was applied, and ``on_save`` writes one that is not.

    """

    def __init__(
        self,
        view: EditingPage,
        edited: Edited,
        on_draft: Callable[[Diagram | None], Awaitable[None]],
        on_done: Callable[[str], Awaitable[None]] = _nothing,
        *,
        on_save: Callable[[str], str] | None = None,
        stays_open: bool = False,
    ) -> None:
        self._view = view
        self._edited = edited
        self._on_draft = on_draft
        self._on_done = on_done
        self._on_save = on_save
        self._text = ""
        self.parts = draft.NO_PARTS  # of that text, read with it in a thread
        self._most_bytes = draft.MOST_BYTES
        # The lab's own text when the changes were shown: they are of that lab alone.
        self._base = ""
        self._wanted = ""
        self._takes = 0
        self._kind = "host"
        self._node: str | None = None
        self._inputs: dict[str, tuple[Field, Any]] = {}
        self._next = 0
        if stays_open:
            ui.query("body").classes(add="pg-editing")
        with ui.left_drawer(value=stays_open, bordered=True) as drawer:
            self._drawer = drawer
            drawer.props("width=520 overlay behavior=desktop").classes("pg-edit-panel")
            # The picture keeps what is beside it, on a phone what is above: see page.css.
            drawer.on_value_change(
                lambda event: ui.query("body").classes(
                    **{"add" if event.value else "remove": "pg-editing"}
                )
            )
            self._fill()

    @property
    def is_open(self) -> bool:
        """Whether it is seen: then a click on a node chooses it."""
        return bool(self._drawer.value)

    async def toggle(self) -> None:
        """Open it with the lab as it is declared now, or close it."""
        if self.is_open:
            self._drawer.hide()
            await self._on_draft(None)
            return
        self._drawer.show()
        await self.reload()

    def choose(self, name: str) -> None:
        """Take a clicked node of `parts`: an end of a new link, or what is to be changed."""
        if self._kind == "link":
            (self._from, self._to)[self._next].value = name
            self._next = 1 - self._next
        else:
            self._edit(name)

    # -- what is seen ----------------------------------------------------------------

    def _fill(self) -> None:
        ui.label("Edit the lab").classes("text-lg font-bold")
        with ui.tabs().classes("w-full").props("dense no-caps") as tabs:
            for title in ("Draw", "YAML", "Python"):
                ui.tab(title)
        with ui.tab_panels(tabs, value="Draw").classes("w-full bg-transparent"):
            with ui.tab_panel("Draw").classes("p-0"):
                self._draw_tab()
            with ui.tab_panel("YAML").classes("p-0"):
                self._yaml = self._editor("YAML", self._yaml_typed)
            with ui.tab_panel("Python").classes("p-0"):
                self._python = self._editor("Python", self._python_typed)
        self._wrong = ui.label().classes("text-negative text-sm whitespace-pre-wrap break-words")
        self._changes = ui.column().classes("w-full gap-0 font-mono text-sm")
        with ui.row().classes("items-center"):
            action = self._edited.action
            self._apply = ui.button(action, icon="check", on_click=self._applied)
            self._apply.props(f'no-caps aria-label="{action}"').disable()
            if self._on_save is not None:
                ui.button("Save", icon="save", on_click=self._saved).props("no-caps outline")
            ui.button("Undo all", icon="undo", on_click=self.reload).props("flat no-caps")
            ui.button("Download", icon="download", on_click=self._download).props("flat no-caps")

    def _editor(self, language: Any, typed_there: Callable[[str], Any]) -> ui.codemirror:
        async def changed(event: Any) -> None:
            await typed_there(str(event.value))

        editor = ui.codemirror(
            language=language, on_change=changed, line_wrapping=True, theme="githubLight"
        )
        return editor.classes("w-full pg-editor").props('aria-label="Text of the lab"')

    def _draw_tab(self) -> None:
        with ui.row().classes("w-full items-center no-wrap"):
            ui.toggle(_KINDS, value="host", on_change=lambda event: self._add(event.value)).props(
                "dense no-caps"
            )
        # Made once: what is typed or clicked while another kind is chosen is not lost with a form.
        self._title = ui.label().classes("font-bold")
        self._name = ui.input("Name").classes("w-full")
        self._hint = ui.label().classes("text-sm")
        self._form = ui.column().classes("w-full gap-1")
        with ui.row():
            self._submit = ui.button("Add", on_click=self._submitted).props("no-caps")
            self._remove = ui.button("Remove", on_click=self._removed)
            self._remove.props("no-caps flat color=negative")
        self._add("host")

    def _add(self, kind: str) -> None:
        """Show the empty form of a kind."""
        self._show_form(kind, None, {})

    def _edit(self, name: str) -> None:
        """Show the form of a node that is there."""
        kind, arguments = self.parts.nodes[name]
        self._show_form(kind, name, arguments)

    def _show_form(self, kind: str, name: str | None, arguments: Mapping[str, Any]) -> None:
        self._kind, self._node, self._next = kind, name, 0
        self._inputs = {}
        self._title.text = "" if name is None else f"{_KINDS[kind]} {name}"
        self._name.set_visibility(name is None and kind != "link")
        self._hint.text = _HINTS[
            "edit" if name is not None else "link" if kind == "link" else "add"
        ]
        self._submit.text = "Add" if name is None else "Change"
        self._remove.set_visibility(name is not None)
        self._form.clear()
        with self._form:
            if kind == "link":
                self._from, self._to = (
                    ui.select([*self.parts.nodes], label=word).classes("w-full")
                    for word in ("From", "To")
                )
            fields = fields_of(kind)
            for field in fields:
                if field.usual or field.name in arguments:
                    self._input(field, arguments.get(field.name))
            with ui.expansion("All that can be said").classes("w-full"):
                for field in fields:
                    if field.name not in self._inputs:
                        self._input(field, None)

    def _input(self, field: Field, value: Any) -> None:
        made: Any
        if field.kind == CHECK:
            made = ui.checkbox(field.label, value=bool(value))
        elif field.kind in (COUNT, DECIMAL):
            made = ui.number(field.label, value=value)
        else:
            text = "" if value is None else str(shown(value))
            made = ui.input(field.label, value=text, placeholder=field.example or None)
        self._inputs[field.name] = (field, made.classes("w-full").props("dense"))

    # -- what is done ------------------------------------------------------------------

    async def _submitted(self) -> None:
        arguments = {name: typed(field, made.value) for name, (field, made) in self._inputs.items()}
        said = {name: value for name, value in arguments.items() if value is not None}
        change: tuple[Any, ...]
        if self._kind == "link":
            if not self._from.value or not self._to.value:
                raise BadArgument("choose two nodes first: From and To")
            change = draft.with_link, self._text, self._from.value, self._to.value, said
        elif self._node is None:
            name = str(self._name.value or "").strip()
            if not name:
                raise BadArgument("give it a name first, such as h5")
            change = draft.with_node, self._text, self._kind, name, said
        else:
            change = draft.with_arguments, self._text, self._node, arguments
        await self._take(await self._view.ask(*change))

    async def _removed(self) -> None:
        assert self._node is not None
        await self._take(await self._view.ask(draft.without_node, self._text, self._node))
        self._add(self._kind)

    async def _yaml_typed(self, text: str) -> None:
        # What stood there for a moment, or was put there by `_take`, is no news.
        if text == str(self._yaml.value) and text != self._wanted:
            await self._take(text, "yaml")

    async def _python_typed(self, program: str) -> None:
        if program == self._program or program != str(self._python.value):
            return
        self._program = program
        number = self._takes = self._takes + 1  # what is asked about still was typed before
        self._wanted = ""
        self._apply.disable()
        try:
            draft.check_size(program, self._most_bytes)
            text = await self._view.ask(draft.from_python, program, self._text)
            if number == self._takes:
                await self._take(text, "python")
        except PlaygroundError as error:
            if number == self._takes:
                self._refuse(error)

    async def _take(self, text: str, typed_in: str = "") -> None:
        """Take a draft; what it would change is shown, or why it cannot be.

        Answers may come in any order: only that to the last draft counts, and until it has come
        nothing can be applied.

        """
        self._takes += 1
        number, could_apply = self._takes, self._apply.enabled
        self._wanted = text
        self._apply.disable()
        try:
            draft.check_size(text, self._most_bytes)
            looked, parts = await self._view.ask(_looked_at, self._edited, text)
        except PlaygroundError as error:
            if not typed_in:
                if number == self._takes:
                    self._wanted = self._text
                    self._apply.set_enabled(could_apply)
                # A form refuses; what is typed is wrong until it is right.
                raise PlaygroundError(draft.without_place(str(error))) from None
            if number == self._takes:
                self._refuse(error)
            return
        if number != self._takes:
            return
        self._text, self._base, self.parts = text, looked.base, parts
        if typed_in != "yaml":
            self._yaml.value = text
        if typed_in != "python":
            self._program = looked.program
            self._python.value = looked.program
        self._wrong.text = ""
        self._say(looked)
        await self._on_draft(looked.diagram)

    def _refuse(self, error: PlaygroundError) -> None:
        self._wrong.text = visible(str(error))
        self._apply.disable()

    def _say(self, looked: Looked) -> None:
        self._changes.clear()
        rows = looked.rows
        with self._changes:
            for row in rows[:_MOST_ROWS]:
                ui.label(row).classes("break-all")
            if len(rows) > _MOST_ROWS:
                ui.label(f"and {len(rows) - _MOST_ROWS} more")
        self._apply.set_enabled(looked.can_apply)

    async def reload(self) -> None:
        """Begin anew with what there is."""
        text = await self._view.ask(self._edited.text)
        self._most_bytes = max(draft.MOST_BYTES, 2 * len(text.encode()))  # a large lab's own
        await self._take(text)

    async def put(self, name: str, place: tuple[float, float]) -> None:
        """Put a card of the draft elsewhere in its picture."""
        await self._take(await self._view.ask(draft.with_position, self._text, name, place))

    async def _applied(self) -> None:
        text, base, number = self._text, self._base, self._takes
        self._apply.disable()
        self._apply.props(add="loading")
        try:
            said = await self._view.act(self._edited.apply, text, base)
        except PlaygroundError:
            with suppress(PlaygroundError):
                await self._take(text)
            raise
        finally:
            self._apply.props(remove="loading")
        ui.notify(said, type="positive", position="top")
        await self._on_done(text)
        if number == self._takes:  # else somebody has typed meanwhile
            await self.reload()

    async def _saved(self) -> None:
        assert self._on_save is not None
        text, number = self._text, self._takes
        said = await self._view.act(self._on_save, text)
        ui.notify(said, type="positive", position="top")
        if number == self._takes:
            await self._take(text)

    def _download(self) -> None:
        text = self._text
        ui.download.content(text, self._edited.filename)

    _program = ""
