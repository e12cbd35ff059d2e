"""Sliders stand as the kernel says, but for one that somebody has in hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from nicegui import ui

from playground.display.tables import Table
from playground.frontends.web.panels import link_controls
from playground.frontends.web.view import LabView
from playground.model.impairment import Impairment
from playground.operations.links.link import ImpairedDirection
from tests.frontends.web.panels.panel_stubs import StubView, enabled, slot, texts


@pytest.fixture(autouse=True)
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "run_javascript", lambda code: None)


class Cable:
    """A link between a and b, as its kernel says that it is."""

    def __init__(self) -> None:
        self.ends = [SimpleNamespace(node=SimpleNamespace(name=name)) for name in ("a", "b")]
        self.plugged = self.carrier = True
        self.impairments: Table[ImpairedDirection] = Table([])

    def statistics(self) -> list[Any]:
        return [SimpleNamespace(up=self.plugged, carrier=self.carrier) for _ in self.ends]

    def slow(self, delay_ms: float) -> None:
        self.impairments = Table(
            ImpairedDirection(name, Impairment(delay_ms=delay_ms), ("netem",)) for name in "ab"
        )


@pytest.mark.parametrize(
    ("plugged", "carrier", "words", "may_change", "offered"),
    [
        (True, True, "up", True, {"Plug in": False, "Pull out": True}),
        (True, False, "up, no carrier", True, {"Plug in": False, "Pull out": True}),
        (False, False, "down", True, {"Plug in": True, "Pull out": False}),
    ],
)
def test_it_says_whether_frames_pass(
    plugged: bool, carrier: bool, words: str, may_change: bool, offered: dict[str, bool]
) -> None:
    cable = Cable()
    cable.plugged, cable.carrier = plugged, carrier
    view = StubView(cable, may_change=may_change)
    with slot() as client:
        link_controls.build(cast("LabView", view), "a:eth0")
        view.look()
        assert f"This link is {words}." in texts(client)
        assert offered.items() <= enabled(client).items()


def test_a_slider_goes_where_the_kernel_is_unless_it_is_in_hand() -> None:
    cable = Cable()
    view = StubView(cable)
    with slot() as client:
        link_controls.build(cast("LabView", view), "a:eth0")
        [delay, *_] = [one for one in client.elements.values() if "slider" in one.tag]
        view.look()
        assert cast("Any", delay).value == 0
        cable.slow(10)
        view.look()
        there = cast("Any", delay).value
        assert there == 4 and "10 ms" in texts(client)
        controls = cast("Any", view.handlers[0]).__self__
        controls.touched()
        cable.slow(100)
        view.look()
        assert cast("Any", delay).value == there
        controls._touched_s = float("-inf")
        view.look()
        assert cast("Any", delay).value > there
