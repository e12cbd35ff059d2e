"""One living picture for all who look at a lab: the kernels are asked once for them together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from playground.display.live_picture import Attributes, pause_s
from playground.errors import PlaygroundError
from playground.frontends.web.thread_shares import within
from playground.lab.lab import Lab
from playground.operations.pictures.diagram import Diagram
from playground.operations.pictures.layers import TITLES, Layers, draw_layered, layers_of
from playground.operations.pictures.layout import Layout, Point
from playground.operations.pictures.live import LivePicture, PictureChange
from playground.operations.pictures.moved import moved
from playground.planning.plan import Plan

R = TypeVar("R")

Show = Callable[[PictureChange], None]

_LOG = logging.getLogger(__name__)

# After one look that failed, and no longer after many.
_FAILED_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0

# Who looks is told after so long that nothing is known, and who opens a page that it cannot be.
_SILENT_S, _JOIN_LIMIT_S = 10.0, 20.0

# What the picture says while nothing is known: it shows what was seen last.
UNKNOWN = "unknown"

# Of what the library itself spends on a look, the agent spends about as much.
_BOTH_SIDES = 2


class PictureWatch:
    """The living picture of a lab, and those who look at it.

    ``ends`` are the two nodes of each cable of the picture, ``layers`` what can be shaded, by
    their titles, ``places`` where each card is in the picture.  Where somebody has put cards the
    lab itself keeps.

    """

    def __init__(self, lab: Lab, threads: Executor) -> None:
        self.lab = lab
        self.ends: list[tuple[str, str]] = []
        self.layers: dict[str, str] = {}
        self.places: dict[str, Point] = {}
        self.plan: Plan | None = None
        self.diagram: Diagram | None = None
        self.layout: Layout | None = None
        self.shift: Point = (0.0, 0.0)
        self._layers: Layers = {}
        self._threads = threads
        self._picture = LivePicture(lab, draw=self._drawn)
        self._shows: list[Show] = []
        self._task: asyncio.Task[None] | None = None

    async def join(self, show: Show) -> PictureChange:
        """Return the whole picture; ``show`` is called with what changes of it, until `leave`.

        Raises `NotReady` where the lab does not answer.

        """
        whole = await within(
            _JOIN_LIMIT_S, f"lab {self.lab.name}", self._threads, self._picture.whole
        )
        self._shows.append(show)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._go_on())
        return whole

    def leave(self, show: Show) -> None:
        """Show it there no more; the kernels are asked no more when nobody looks."""
        if show in self._shows:
            self._shows.remove(show)

    @property
    def closed(self) -> set[int]:
        """The numbers of cables that pass nothing now: down, or blocked by a spanning tree."""
        return {
            int(part.partition(" ")[2])
            for part, values in self._picture.shown().items()
            if part.startswith("cable ") and values.get("data-state") in ("down", "blocked")
        }

    async def whole(self) -> PictureChange:
        """Return all of it as it is."""
        return await self._in_thread(self._picture.whole)

    @property
    def attributes(self) -> Attributes:
        """What has been told of all parts."""
        return self._picture.shown()

    def drawn_with(self, diagram: Diagram, layout: Layout) -> str:
        """Return the picture of this diagram, a larger one perhaps, with the lab's layers."""
        return draw_layered(diagram, layout, self._layers)

    async def redraw(self) -> None:
        """Show all of it anew to all who look."""
        self._tell(await self._in_thread(self._picture.whole))

    async def move(self, name: str, place: Point) -> None:
        """Put a card elsewhere, for all who look; where cards are moved to, they stay."""
        there = (place[0] - self.shift[0], place[1] - self.shift[1])
        names = {node.name for node in self.lab.nodes}
        kept = {one: at for one, at in self.lab.positions.items() if one in names}

        def put() -> None:
            self.lab.positions = {**kept, name: there}

        await self._in_thread(put)
        await self.redraw()

    def _drawn(self, plan: Plan, diagram: Diagram, layout: Layout) -> str:
        found = layers_of(plan, self.lab.nodes)
        there, self.shift = moved(layout, diagram, self.lab.positions)
        self.places = dict(there.cards)
        self.plan, self.diagram, self.layout, self._layers = plan, diagram, there, found
        self.ends = [(cable.a, cable.b) for cable in diagram.cables]
        self.layers = {name: TITLES[name] for name in found}
        return draw_layered(diagram, there, found)

    async def _go_on(self) -> None:
        failed = 0
        while self._shows:
            try:
                change, took_s = await self._looked()
                if failed:  # of what is shown now, nobody knows how old it is
                    change = await self._in_thread(self._picture.whole)
            except Exception as error:
                # Whatever it was, who looks is told, and the next look may be better.
                if not failed:
                    self._tell(PictureChange(None, {"lab": {"data-state": UNKNOWN}}))
                known = isinstance(error, PlaygroundError)
                _LOG.warning("the picture of %s: %s", self.lab.name, error, exc_info=not known)
                await asyncio.sleep(min(_FAILED_PAUSE_S * 2**failed, _LONGEST_PAUSE_S))
                failed = min(failed + 1, 10)
                continue
            failed = 0
            if change.svg is not None or change.attributes:
                self._tell(change)
            await asyncio.sleep(pause_s(_BOTH_SIDES * took_s))

    async def _looked(self) -> tuple[PictureChange, float]:
        # One look at a time, however long it takes: no other would come further.
        look = asyncio.ensure_future(self._in_thread(self._look))
        done, _ = await asyncio.wait([look], timeout=_SILENT_S)
        if done:
            return look.result()
        self._tell(PictureChange(None, {"lab": {"data-state": UNKNOWN}}))
        _, took_s = await look
        return await self._in_thread(self._picture.whole), took_s

    def _look(self) -> tuple[PictureChange, float]:
        # Of this thread's own time: a machine that is busy with others does not count.
        began = time.thread_time()
        return self._picture.change(), time.thread_time() - began

    def _tell(self, change: PictureChange) -> None:
        for show in list(self._shows):
            try:
                show(change)
            except Exception:  # one page that is going keeps the others from nothing
                _LOG.exception("a page could not show the picture of %s", self.lab.name)

    async def _in_thread(self, function: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)
