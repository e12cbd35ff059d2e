"""A panel holds the packets of one capture, however often it is begun anew."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from playground.frontends.web.panels.link_capture import CapturePanel


class Feeds:
    """Counts what is held."""

    def __init__(self) -> None:
        self.held: list[Any] = []

    def begin(self, lab: str, capture: Any) -> Any:
        self.held.append(SimpleNamespace(capture=SimpleNamespace(running=False)))
        return self.held[-1]

    def let_go(self, feed: Any) -> None:
        self.held.remove(feed)


class View:
    """A page, as far as the panel needs it."""

    name, closed = "lab", False

    def __init__(self) -> None:
        self.feeds = Feeds()
        self.served: list[str] = []

    async def ask(self, function: Any, *args: Any) -> Any:
        await asyncio.sleep(0)
        return function(*args)

    def serve(self, filename: str, source: Any, media_type: str) -> str:
        self.served.append(filename)
        return "/files/x"


def panel(view: View) -> CapturePanel:
    """Return one without a browser."""
    made = CapturePanel.__new__(CapturePanel)
    nothing = SimpleNamespace(value="", props=lambda words: None, set_visibility=lambda seen: None)
    made.__dict__.update(
        _view=view,
        _stem="h1",
        _make=lambda text, packets, size: None,
        _feed=None,
        _beginning=False,
        _streams=[],
        _file_address="",
        _filter=nothing,
        _file=nothing,
        _clear=lambda: None,
        _buttons=lambda: None,
    )
    return made


def test_it_holds_the_packets_of_one_capture() -> None:
    view = View()
    made = panel(view)

    async def begin_often() -> None:
        for _ in range(5):
            await asyncio.gather(made._start(), made._start())  # as by a double click

    asyncio.run(begin_often())
    assert len(view.feeds.held) == 1 and view.served == ["h1.pcapng"]
    made._close()
    assert view.feeds.held == []


def test_what_begins_while_the_panel_is_closed_is_given_back() -> None:
    view = View()
    view.closed = True
    asyncio.run(panel(view)._start())
    assert view.feeds.held == []
