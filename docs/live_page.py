"""Photograph docs/pictures/live-page.png anew: a packet that a firewall stops, on the live page.

scripts/setup --for-tests .venv/bin/python docs/live_page.py

"""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from playground.examples import miniature_internet

PICTURE = Path(__file__).with_name("pictures") / "live-page.png"


def main() -> None:
    lab = miniature_internet(quiet=True)
    with lab, sync_playwright() as playwright:
        lab["www"].firewall.drop(port=80, protocol="tcp")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(
            viewport={"width": 1360, "height": 800}, reduced_motion="reduce", color_scheme="light"
        )
        page.goto(lab.web().address)
        page.click("text=Follow a packet")
        for name in ("h1", "www.example.com"):
            page.click(f'[data-part="node {name}"]')
        page.fill('[aria-label="Port"]', "80")
        page.press('[aria-label="Port"]', "Enter")
        page.click(".pg-follow-panel button:has-text('Follow')")
        page.wait_for_selector(".pg-ill:visible")
        page.wait_for_timeout(500)
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
