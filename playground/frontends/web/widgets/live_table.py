"""A table on a page that is read from a node again and again, while its panel is open."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nicegui import ui

from playground.errors import PlaygroundError
from playground.frontends.web.content import cells
from playground.frontends.web.content.looking_pace import Pace
from playground.frontends.web.view import LabView

# What is read for a table: a row each, with values by the names of columns.
Load = Callable[[], Iterable[Mapping[str, Any]]]

INTERVAL_S = 2.0


class LiveTable:
    """Rows that `load` reads, in a thread; sorted, filtered and paged by the browser.

    An error stands above the rows as a sentence, and they stay as they were.

    """

    def __init__(
        self,
        view: LabView,
        columns: Sequence[str],
        load: Load,
        *,
        numbers: Sequence[str] = (),
        empty: str = "There are none.",
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._view, self._load, self._columns = view, load, columns
        self._pace = Pace(interval_s)
        self._looking = False
        self._said = ui.label().classes("text-negative whitespace-pre-wrap").props("role=status")
        self._said.set_visibility(False)
        self.table = ui.table(
            columns=cells.columns(columns, numbers),
            rows=[],
            row_key="row",
            pagination={"rowsPerPage": 25},
        ).classes("w-full")
        self.table.props("dense flat wrap-cells :rows-per-page-options='[25, 100, 0]'")
        self.table.props('rows-per-page-label="Rows a page:"')
        self.table.props(f'no-data-label="{empty}"')
        view.every(1.0, self.look)

    def hurry(self) -> None:
        """Look at once: something was changed."""
        self._pace.hurry()

    async def look(self) -> None:
        """Read the rows if it is time, and show what differs."""
        began = time.monotonic()
        if self._looking or not self._pace.is_due(began):
            return
        self._looking = True
        try:
            rows = await self._view.ask(self._read)
        except PlaygroundError as error:
            self._said.set_text(str(error))
            self._said.set_visibility(True)
        else:
            self._said.set_visibility(False)
            if rows != self.table.rows:
                self.table.rows = rows
        finally:
            now = time.monotonic()
            self._pace.looked(now, now - began)
            self._looking = False

    def _read(self) -> list[dict[str, Any]]:
        return cells.rows(self._load(), self._columns)
