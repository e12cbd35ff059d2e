"""Panels built where nobody looks: a client of NiceGUI, and a view that calls at once."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nicegui import Client, ui
from nicegui.page import page

from playground import PlaygroundError


class StubView:
    """As much of a view as panels need, without threads: ``handlers`` are what `every` got."""

    name = key = "lab"
    closed = False
    lab: Any
    terminals: Any

    def __init__(self, part: Any = None, *, may_change: bool = True, **more: Any) -> None:
        self.part, self.may_change = part, may_change
        self.handlers: list[Callable[[], Any]] = []
        self.undo: list[Callable[[], object]] = []
        self.served: dict[str, Callable[[], Any]] = {}
        self.__dict__.update(more)

    def machine(self, name: str) -> Any:
        return self.part

    link = node = machine

    def is_machine(self, name: str) -> bool:
        return name != "switch"

    async def ask(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    async def act(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        self.check_may_change()
        return function(*args, **kwargs)

    def check_may_change(self) -> None:
        if not self.may_change:
            raise PlaygroundError("to look at only")

    def every(self, seconds: float, handler: Callable[[], Any], **how: Any) -> None:
        self.handlers.append(handler)

    def on_close(self, undo: Callable[[], object]) -> None:
        self.undo.append(undo)

    def serve(self, filename: str, source: Any, media_type: str | None = None) -> str:
        self.served[filename] = source
        return f"/files/{filename}"

    def look(self) -> None:
        """Let all that is looked at again and again be looked at once."""
        for handler in self.handlers:
            if inspect.isawaitable(found := handler()):
                asyncio.run(_done(found))


async def _done(found: Any) -> None:
    await found


@contextmanager
def slot() -> Iterator[Client]:
    """Give a client of NiceGUI, in which elements are made; timers begin nothing."""
    client, timer = Client(page("/panel")), ui.timer
    vars(ui)["timer"] = lambda *args, **kwargs: None
    try:
        with client:
            yield client
    finally:
        vars(ui)["timer"] = timer
        client.delete()


def texts(client: Client) -> list[str]:
    """Return the texts of labels and buttons that are seen."""
    return [
        str(text)
        for element in client.elements.values()
        if element.visible and (text := getattr(element, "text", "") or element._props.get("label"))
    ]


def enabled(client: Client) -> dict[str, bool]:
    """Return the buttons by their words, and whether they can be pressed."""
    return {
        str(element._props.get("label") or element.text): element.enabled
        for element in client.elements.values()
        if isinstance(element, ui.button)
    }
