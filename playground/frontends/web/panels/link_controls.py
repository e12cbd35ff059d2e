"""A link pulled out and plugged in, and made slow or lossy, while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from nicegui import ui

from playground.display.tables import Table
from playground.frontends.web.content import impairment_form
from playground.frontends.web.content.impairment_form import BOTH, SLIDERS
from playground.frontends.web.view import LabView
from playground.operations.links.link import ImpairedDirection

TITLE = "Controls"

# A slider is pushed on with a key again and again.
_IN_HAND_S = 1.5

# Quasar says what a slider is on its frame, and keys reach what is in it: it is said there too.
_NAME_WHAT_KEYS_REACH = """(() => {
    const frame = getHtmlElement(%d), reached = frame.querySelector(".q-slider__track-container");
    const say = () => {
        for (const {name, value} of frame.attributes)
            if (name.startsWith("aria-")) reached.setAttribute(name, value);
    };
    reached.setAttribute("role", "slider");
    frame.setAttribute("role", "none");
    say();
    new MutationObserver(say).observe(frame, {attributes: true});
})()"""


def fits(view: LabView, name: str) -> bool:
    """Every link has them."""
    return True


def build(view: LabView, name: str) -> None:
    """Show up and down, and sliders for delay, loss and rate, which stand as the kernel says."""
    link = view.link(name)
    controls = _Controls(view, name)
    with ui.row().classes("items-center"):
        state = ui.label().props("role=status").classes("font-bold")
        up = ui.button("Plug in", on_click=lambda: controls.switch(True)).props("no-caps dense")
        down = ui.button("Pull out", on_click=lambda: controls.switch(False))
        down.props("no-caps dense color=negative")
    controls.state, controls.up, controls.down = state, up, down
    names = [end.node.name for end in link.ends]
    options = [BOTH, *(f"toward {one}" for one in dict.fromkeys(names))]
    controls.toward = ui.select(options, value=BOTH, label="Impair").classes("w-full")
    controls.toward.on_value_change(controls.show)
    for slider in SLIDERS:
        with ui.row().classes("w-full items-center no-wrap"):
            ui.label(slider.label).classes("w-16")
            widget = ui.slider(min=0, max=len(slider.steps) - 1, step=1, value=0).classes("grow")
            widget.props(f'aria-label="{slider.label} in {slider.unit}" markers snap')
            ui.run_javascript(_NAME_WHAT_KEYS_REACH % widget.id)
            words = ui.label(slider.words(0)).classes("w-24 text-right")
            # Shown at once, said when it is let go (Quasar's "change").
            widget.on_value_change(
                lambda event, one=slider, told=words: told.set_text(one.words(event.value))
            )
            widget.on("update:model-value", controls.touched, [])
            widget.on("change", controls.impair)
            controls.sliders[slider.name] = widget
    controls.said = ui.label().classes("text-sm font-mono whitespace-pre-wrap")
    ui.button("Restore", on_click=controls.restore).props("no-caps dense outline")
    view.every(2.0, controls.look)


class _Controls:
    """The widgets of one link, and what was read of it last."""

    state: ui.label
    up: ui.button
    down: ui.button
    toward: ui.select
    said: ui.label

    def __init__(self, view: LabView, name: str) -> None:
        self._view, self._link = view, view.link(name)
        self._found: Table[ImpairedDirection] | None = None
        self._shown: Table[ImpairedDirection] | None = None
        self._looks = 0
        self._touched_s = 0.0
        self._impairing = self._again = False
        self.sliders: dict[str, ui.slider] = {}

    def _direction(self) -> str:
        chosen = str(self.toward.value)
        return chosen if chosen == BOTH else chosen.removeprefix("toward ")

    def touched(self) -> None:
        """Note that somebody moves a slider: for a moment it stays where he puts it."""
        self._touched_s = time.monotonic()

    async def switch(self, up: bool) -> None:
        await self._do(self._link.up if up else self._link.down)

    async def restore(self) -> None:
        direction = self._direction()
        self._touched_s = 0.0
        await self._do(self._link.restore, None if direction == BOTH else direction)

    async def impair(self) -> None:
        """Do what the sliders say; they stand as the kernel says then, whatever came of it."""
        self.touched()
        if self._impairing:
            self._again = True  # the slider goes on while the kernel is told
            return
        self._impairing = self._again = True
        try:
            while self._again:
                self._again = False
                chosen = {name: int(widget.value) for name, widget in self.sliders.items()}
                await self._view.act(self._impair, chosen, self._direction())
        except BaseException:
            self._touched_s = 0.0
            raise
        finally:
            self._impairing = self._again = False
            self._shown = None
            await self._look_anew()

    async def _do(self, function: Callable[..., object], *args: object) -> None:
        try:
            await self._view.act(function, *args)
        finally:
            await self._look_anew()

    async def _look_anew(self) -> None:
        self._looks += 1  # what is read now is old
        await self.look()

    def _impair(self, chosen: dict[str, int], direction: str) -> None:
        before = impairment_form.in_direction(self._link.impairments, direction)
        said: dict[str, Any] = impairment_form.arguments(chosen, before, direction)
        self._link.impair(**said)

    async def look(self) -> None:
        """Read what the kernel has, and show it where it differs from what was shown."""
        looks = self._looks
        ends, found = await self._view.ask(
            lambda: (self._link.statistics(), self._link.impairments)
        )
        if looks != self._looks:
            return
        plugged = all(end.up for end in ends)
        carrier = all(end.carrier for end in ends)
        if self._view.may_change:
            self.up.set_enabled(not plugged)
            self.down.set_enabled(any(end.up for end in ends))
        words = "up" if plugged and carrier else "up, no carrier" if plugged else "down"
        self.state.set_text(f"This link is {words}.")
        self.said.set_text(impairment_form.words(found))
        self._found = found
        in_hand = time.monotonic() - self._touched_s < _IN_HAND_S
        if found != self._shown and not (self._impairing or in_hand):
            self._shown = found
            self.show()

    def show(self) -> None:
        """Put the sliders where the kernel says that this direction is."""
        now = impairment_form.in_direction(self._found or (), self._direction())
        for name, position in impairment_form.positions(now).items():
            self.sliders[name].value = position
