"""The drawer opens the panels of what was clicked, and those before give back what they had."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from nicegui import ui

from playground import Host, Lab, Link
from playground.frontends.web import panel_drawer
from playground.frontends.web.server import open_page
from tests.frontends.web.socket_client import Socket


def test_what_is_clicked_opens_and_what_was_open_before_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    def build(view: Any, name: str) -> None:
        done.append(f"open {name}")
        ui.label(f"panel of {name}")
        view.on_close(lambda: done.append(f"close {name}"))

    def panel(title: str) -> Any:
        return SimpleNamespace(TITLE=title, fits=lambda view, name: True, build=build)

    monkeypatch.setattr(panel_drawer, "OF_NODES", [panel("First"), panel("Second")])
    monkeypatch.setattr(panel_drawer, "OF_LINKS", [panel("Link")])
    a, b = Host("a"), Host("b")
    Link(a, b)
    page = open_page(Lab(a, name="web-drawer"))
    socket = Socket(page.address)
    ((number, heard),) = [
        (int(number), event["listener_id"])
        for number, element in socket.elements.items()
        for event in element.get("events", ())
        if event["type"] == "open"
    ]
    clicks = [
        {"id": number, "listener_id": heard, "args": [json.dumps({"part": part})]}
        for part in ("node a", "node none", "cable 0", "cable 9", "lab")
    ]
    got = "".join(asyncio.run(socket.send_all(clicks, 1.5)))
    assert "panel of a" in got
    # The second panel was not looked at: it opened nothing.
    assert done[:3] == ["open a", "close a", "open a:eth0"]
    page.close()
