"""A lab made with the mouse: from an empty page to a file, and to a lab that runs as it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import playground
from playground import Lab
from playground.engines.choice import RunningLabs
from playground.frontends.web.drawing.drawing import Drawing
from playground.frontends.web.server import _here
from tests.frontends.web.browser_tab import Tab

PANEL = ".q-drawer:has(.pg-edit-panel)"


def draw(page: Any, kind: str, name: str) -> None:
    page.click(f"{PANEL} button:has-text('{kind}')")
    page.fill(f'{PANEL} [aria-label="Name"]', name)
    page.click(f"{PANEL} button:has-text('Add')")
    page.wait_for_selector(f'[data-part="node {name}"][data-draft="new"]')


def made_with_the_mouse(browser: Any, path: Path, monkeypatch: Any) -> None:
    """Draw, save and start a lab; for `test_in_browser`, whose browser and server it takes."""
    server = _here[0]
    monkeypatch.setenv("PLAYGROUND_ENGINE", "namespaces")
    monkeypatch.setattr(server.labs, "_running", RunningLabs("namespaces"))
    drawing = Drawing(path, server.labs)
    server.site.drawings.add(drawing)
    address = server.address(f"/draw/{drawing.name}", drawing.right)
    tab = Tab(browser, address)
    page = tab.page
    try:
        page.wait_for_selector("text=Nothing is drawn yet")
        draw(page, "Switch", "home")
        draw(page, "Host", "h1")
        page.click(f"{PANEL} button:has-text('Link')")
        for name in ("h1", "home"):
            page.click(f'[data-part="node {name}"]')
        page.click(f"{PANEL} button:has-text('Add')")
        page.wait_for_selector('[data-part="cable 0"][data-draft="new"]', state="attached")
        page.click(f"{PANEL} button:has-text('Save')")
        page.wait_for_selector("text=is written: 1 switch, 1 host.")
        assert [node.name for node in playground.load(path).nodes] == ["home", "h1"]
        page.click(f'{PANEL} [aria-label="Start"]')
        page.wait_for_selector("header >> text=running", timeout=90_000)
        page.wait_for_selector('[data-part="node h1"]:not([data-draft])')
        lab = server.labs.open(drawing.name)
        assert not lab.apply(playground.load(path), dry_run=True).differences
        assert tab.complaints == []
    finally:
        tab.close()
        if drawing.began:
            Lab.attach(drawing.name, engine="namespaces", quiet=True).stop()
