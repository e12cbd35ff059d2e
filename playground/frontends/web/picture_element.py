"""The living picture as an element of NiceGUI: ``picture.js`` beside this module shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nicegui.element import Element
from nicegui.events import GenericEventArguments

from playground.operations.pictures.live import PictureChange


class PictureElement(Element, component="picture.js"):
    """A picture that can be moved about in; ``ends`` are the nodes of each cable.

    ``on_open`` is told of a part that was clicked ("node h1", "cable 3"), ``on_moved`` of a card
    that was dragged and its place.  With ``editable`` cards can be dragged.

    """

    def __init__(
        self,
        whole: PictureChange,
        ends: Sequence[tuple[str, str]],
        layers: Iterable[str],
        *,
        editable: bool,
        on_open: Callable[[str], Any],
        on_moved: Callable[[str, float, float], Any],
        on_reached: Callable[[int], Any],
    ) -> None:
        super().__init__()
        self._props["svg"] = whole.svg
        self._props["attributes"] = whole.attributes
        self._props["ends"] = list(ends)
        self._props["layers"] = list(layers)
        self._props["editable"] = editable

        # What a browser sends is of any shape.
        async def opened(event: GenericEventArguments) -> None:
            await on_open(str(event.args["part"]))

        async def moved(event: GenericEventArguments) -> None:
            x, y = float(event.args["x"]), float(event.args["y"])
            await on_moved(str(event.args["name"]), x, y)

        self.on("open", opened)
        self.on("moved", moved)
        self.on("reached", lambda event: on_reached(int(event.args["step"])))

    def show(self, change: PictureChange, ends: Sequence[tuple[str, str]]) -> None:
        """Show what has changed."""
        if change.svg is not None:
            self.run_method("draw", change.svg, change.attributes, list(ends))
        elif change.attributes:
            self.run_method("apply", change.attributes)

    def show_layers(self, names: Iterable[str]) -> None:
        """Shade these layers and no others."""
        self.run_method("showLayers", list(names))

    def find(self, words: str) -> None:
        """Mark the nodes that have these words, and look at them; "" marks none."""
        self.run_method("find", words)

    def follow(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Let a packet go along these steps."""
        self.run_method("follow", list(steps))
