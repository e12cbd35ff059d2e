"""A live table shows what is read, keeps its rows when a look fails, and says why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import pytest
from nicegui import Client
from nicegui.page import page

from playground.errors import NotRunning
from playground.frontends.web.view import LabView
from playground.frontends.web.widgets.live_table import LiveTable


class QuietView:
    """As much of a view as a table needs: nothing is read before somebody calls `look`."""

    def every(self, seconds: float, handler: Callable[[], Any]) -> None:
        assert seconds == 1.0

    async def ask(self, function: Callable[[], Any]) -> Any:
        return function()


@pytest.fixture
def slot() -> Iterator[None]:
    client = Client(page("/table"))
    with client:
        yield
    client.delete()


def test_rows_stay_when_a_look_fails_and_the_sentence_goes_when_one_succeeds(slot: None) -> None:
    answers: list[Any] = [[{"port": 80, "program": "<b>"}], NotRunning("h1 is stopped"), []]

    def load() -> list[Mapping[str, Any]]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast("list[Mapping[str, Any]]", answer)

    table = LiveTable(cast("LabView", QuietView()), ["port", "program"], load, numbers=["port"])
    shown = [{"row": 0, "port": 80, "program": "<b>"}]

    def look() -> None:
        table.hurry()
        asyncio.run(table.look())

    look()
    assert table.table.rows == shown
    asyncio.run(table.look())  # it is not time yet
    assert len(answers) == 2
    look()
    assert (table.table.rows, table._said.text) == (shown, "h1 is stopped")
    assert table._said.visible
    look()
    assert (table.table.rows, table._said.visible) == ([], False)
