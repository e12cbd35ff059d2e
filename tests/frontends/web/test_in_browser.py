"""The live page in Debian's chromium: what people see of a lab, and what their hands do there.

One browser and one lab for all; each test leaves the lab as it was.  No test here may run an event
loop of its own: playwright has one in this thread.

"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playground import Host, Lab, Link, Router, Switch
from playground.frontends.web.server import WebPage, open_page
from tests.frontends.web.browser_tab import PALE, Tab
from tests.frontends.web.chromium import chromium
from tests.frontends.web.drawing.mouse import made_with_the_mouse
from tests.support_agent import needs_root

pytestmark = needs_root


@pytest.fixture(scope="module")
def lab(namespaces_engine) -> Iterator[Lab]:
    home, modem = Switch("home", subnet="192.168.1.0/24"), Router("modem")
    for name in ("h1", "h2"):
        Link(home, Host(name))
    Link(home, modem)
    modem.masquerade(Link(modem, Host("www", services=["http"]), subnet="203.0.113.0/24"))
    with Lab(home, name="web-browser", engine=namespaces_engine, quiet=True) as lab:
        yield lab


@pytest.fixture(scope="module")
def address(lab: Lab) -> WebPage:
    return open_page(lab)


@pytest.fixture(scope="module")
def browser(lab: Lab) -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def tab(browser: Any, address: WebPage) -> Iterator[Tab]:
    tab = Tab(browser, address.address)
    yield tab
    tab.close()


@pytest.fixture(autouse=True)
def nothing_complains(tab: Tab) -> Iterator[None]:
    yield
    assert tab.complaints == []


# The height of each text of the picture, in pixels as they are seen.
LETTERS = """() => [...document.querySelectorAll(".pg-stage svg text")].filter(
    text => text.textContent.trim()).map(text => parseFloat(getComputedStyle(text).fontSize)
    * text.getScreenCTM().a)"""

# Which nodes lie below the buttons that zoom, and which are out of sight.
OVERLAPS = """() => {
    const stage = document.querySelector(".pg-stage").getBoundingClientRect();
    const tools = document.querySelector(".pg-tools").getBoundingClientRect();
    return [...document.querySelectorAll('[data-part^="node "]')].filter(node => {
        const box = node.getBoundingClientRect();
        const below = box.right > tools.left && box.bottom > tools.top
            && box.left < tools.right && box.top < tools.bottom;
        return below || box.left < stage.left || box.right > stage.right
            || box.top < stage.top || box.bottom > stage.bottom;
    }).map(node => node.dataset.part);
}"""


def follow(tab: Tab, source: str, target: str, port: str, verdict: str) -> str:
    """Follow a packet by clicks on the picture, and return what the page says in the end."""
    tab.page.click("text=Follow a packet")
    for name in (source, target):
        tab.page.click(f'[data-part="node {name}"]')
    tab.page.fill('[aria-label="Port"]', port)
    tab.page.press('[aria-label="Port"]', "Enter")
    tab.page.click(".pg-follow-panel button:has-text('Follow')")
    tab.page.wait_for_selector(f".{verdict}:visible")
    words: str = tab.page.inner_text(f".{verdict}")
    tab.page.click("header >> text=Follow a packet")
    return words


def test_the_first_look_has_all_of_it_clear_of_the_buttons(tab: Tab) -> None:
    assert tab.page.evaluate(OVERLAPS) == []
    tab.page.set_viewport_size({"width": 700, "height": 420})
    tab.page.wait_for_function(f"({OVERLAPS})().length === 0")
    tab.page.set_viewport_size({"width": 1280, "height": 800})
    tab.page.wait_for_function(f"({OVERLAPS})().length === 0")


def test_the_picture_is_alive(lab: Lab, tab: Tab) -> None:
    job = lab["h1"].start("ping -i 0.05 -s 1000 www")
    tab.page.wait_for_selector(".pg-cable[data-a]:not([data-a='0'])")
    job.terminate()
    link = lab.link("home", "h2")
    link.down()
    tab.page.wait_for_selector(".pg-live-note[data-state=down]")
    link.up()
    link.impair(delay_ms=20)
    tab.page.wait_for_selector(".pg-live-note[data-state=impaired]:has-text('20 ms')")
    link.restore()
    lab["www"].services["http"].stop()
    tab.wait_for("node www", "data-state", "silent")
    lab["www"].services["http"].start()
    tab.wait_for("node www", "data-state", "answers")


def test_a_packet_is_followed_to_where_it_stops(lab: Lab, tab: Tab) -> None:
    assert "It arrives." in follow(tab, "h1", "www", "80", "pg-well")
    rule = lab["www"].firewall.drop(port=80, protocol="tcp")
    tab.page.emulate_media(reduced_motion="no-preference")
    try:
        assert "firewall at www" in follow(tab, "h1", "www", "80", "pg-ill")
    finally:
        tab.page.emulate_media(reduced_motion="reduce")
        lab["www"].firewall.remove(rule)


def test_the_answer_outlives_a_picture_that_is_drawn_anew(lab: Lab, tab: Tab) -> None:
    page = tab.page
    page.click("text=Follow a packet")
    for name in ("h1", "www"):
        page.click(f'[data-part="node {name}"]')
    page.click(".pg-follow-panel button:has-text('Follow')")
    page.wait_for_selector(".pg-packet", state="attached")
    box = page.locator('[data-part="node h2"]').bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 40, steps=4)
    page.mouse.up()
    page.wait_for_selector(".pg-packet", state="detached")
    page.wait_for_selector(".pg-well:visible >> text=It arrives.")
    # Again leads over the picture as it is now.
    page.click("button:has-text('Again')")
    page.wait_for_selector(".pg-packet", state="attached")
    page.wait_for_selector(".pg-well:visible")
    page.click("header >> text=Follow a packet")


def test_a_host_that_is_drawn_comes_up_in_the_running_lab(lab: Lab, tab: Tab) -> None:
    page, panel = tab.page, ".q-drawer:has(.pg-edit-panel)"
    page.click('header [aria-label="Edit"]')
    # The tab of YAML has a text as soon as the lab was read.
    page.click(f"{panel} .q-tab:has-text('YAML')")
    page.wait_for_selector(f"{panel} .cm-content >> text=playground")
    page.click(f"{panel} .q-tab:has-text('Draw')")
    page.fill(f'{panel} [aria-label="Name"]', "h9")
    page.click(f"{panel} button:has-text('Add')")
    page.wait_for_selector(f"{panel} >> text=/h9 +node +host/")
    # In the picture at once, as what is not there yet.
    page.wait_for_selector('[data-part="node h9"][data-draft="new"] >> text=not yet')
    page.click(f"{panel} button:has-text('Link')")
    for end, name in (("From", "h9"), ("To", "home")):
        page.click(f'{panel} [aria-label="{end}"]')
        page.click(f'.q-menu >> text="{name}"')
        page.wait_for_selector(".q-menu", state="detached")
    page.click(f"{panel} button:has-text('Add')")
    page.wait_for_selector(f"{panel} >> text=/h9 +address/")
    page.click(f'{panel} [aria-label="Apply"]')
    page.wait_for_selector('[data-part="node h9"]:not([data-draft])')
    assert lab["h9"].ping("h1", count=1).received == 1
    page.click('header [aria-label="Edit"]')


def test_an_empty_page_becomes_a_file_and_a_lab_that_runs_as_it_says(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_with_the_mouse(browser, tmp_path / "web-mouse.yaml", monkeypatch)


def test_one_panel_takes_the_place_of_another_and_the_picture_has_the_rest(tab: Tab) -> None:
    page = tab.page
    page.click("header >> text=Follow a packet")
    page.wait_for_function("document.querySelector('.pg-stage').getBoundingClientRect().x == 400")
    page.locator('[data-part="cable 1"]').press("Enter")
    page.wait_for_selector(".q-drawer--right .q-tab")
    page.wait_for_selector(".pg-follow-panel", state="hidden")
    assert page.locator(".pg-stage").bounding_box()["width"] == 1280 - 520
    page.click('header [aria-label="Edit"]')
    page.wait_for_selector(".q-drawer--right .q-tab", state="detached")
    page.wait_for_function("document.querySelector('.pg-stage').getBoundingClientRect().x == 520")
    assert page.locator(".pg-stage").bounding_box()["width"] == 1280 - 520


def test_a_refusal_is_readable_and_covers_no_button_of_the_panel(tab: Tab) -> None:
    page, panel = tab.page, ".q-drawer:has(.pg-edit-panel)"
    if not page.locator(".pg-edit-panel").is_visible():
        page.click('header [aria-label="Edit"]')
    page.click(f"{panel} button:has-text('Host')")
    page.fill(f'{panel} [aria-label="Name"]', "bad name!")
    page.click(f"{panel} button:has-text('Add')")
    page.wait_for_selector(".q-notification >> text=that is no host name")
    # The next one takes its place.
    page.fill(f'{panel} [aria-label="Name"]', "worse name!")
    page.click(f"{panel} button:has-text('Add')")
    page.wait_for_selector(".q-notification >> text=worse name!")
    assert page.locator(".q-notification.bg-negative").count() == 1
    assert not page.locator(".q-notification__badge").is_visible()
    # What fades in is pale at first, and so is what fades out.
    dark = PALE.replace("body *", ".q-notification *")
    page.wait_for_function(f"() => ({dark})().length === 0")
    notice = page.locator(".q-notification.bg-negative").bounding_box()
    assert notice and notice["x"] >= 520 and notice["y"] + notice["height"] < 400
    page.click(".q-notification.bg-negative button")
    page.click('header [aria-label="Edit"]')
    page.wait_for_selector(".pg-edit-panel", state="hidden")


def test_keys_alone_open_a_node_and_move_about(tab: Tab) -> None:
    page = tab.page
    page.focus('[data-part="node h1"]')
    page.keyboard.press("ArrowUp")
    focused = "document.activeElement.dataset.part"
    assert page.evaluate(focused) == "node home"
    before = page.get_attribute(".pg-stage svg", "viewBox")
    page.keyboard.press("+")
    assert page.get_attribute(".pg-stage svg", "viewBox") != before
    page.keyboard.press("0")
    page.keyboard.press("Enter")
    page.wait_for_selector(".q-drawer--right >> text=home")
    page.click('[aria-label="Close"]')


def test_search_marks_what_it_finds(tab: Tab) -> None:
    tab.page.fill('[aria-label="Search"]', "203.0")
    tab.page.wait_for_selector('[data-part="node www"].pg-found')
    assert "pg-dim" in (tab.state_of("node h2", "class") or "")
    tab.page.fill('[aria-label="Search"]', "")
    tab.page.wait_for_selector('[data-part="node h2"]:not(.pg-dim)')


def test_what_one_moves_another_sees(browser: Any, address: WebPage, tab: Tab) -> None:
    other = Tab(browser, address.look_address)
    where = "document.querySelector('[data-part=\"node h1\"] .pg-body').getAttribute('x')"
    before = other.page.evaluate(where)
    box = tab.page.locator('[data-part="node h1"] .pg-body').bounding_box()
    assert box
    tab.page.mouse.move(box["x"] + 30, box["y"] + 20)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + 90, box["y"] + 80, steps=4)
    tab.page.mouse.up()
    other.page.wait_for_function(f"before => {where} !== before", arg=before)
    assert other.page.locator("header >> text=Edit").count() == 0
    # It reads, and what it sends changes nothing: a ping, and no datagram.
    assert "It arrives." in follow(other, "h1", "www", "80", "pg-well")
    assert other.complaints == []
    other.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_all_fits_and_can_be_read(browser: Any, address: WebPage, scheme: str) -> None:
    phone = Tab(
        browser,
        address.address,
        viewport={"width": 360, "height": 740},
        has_touch=True,
        color_scheme=scheme,
    )
    page = phone.page
    assert page.locator("header").bounding_box()["height"] < 60
    assert min(page.evaluate(LETTERS)) >= 11
    page.tap('[aria-label="Search for a node"]')
    page.fill('[aria-label="Search"]', "www")
    page.wait_for_selector('[data-part="node www"].pg-found')
    page.fill('[aria-label="Search"]', "")
    page.tap('[aria-label="Search for a node"]')
    page.tap('header [aria-label="Follow a packet"]')
    page.wait_for_timeout(500)
    assert page.locator(".q-drawer:has(.pg-follow-panel)").bounding_box()["y"] > 300
    page.tap('header [aria-label="Follow a packet"]')
    page.tap('[aria-label="All of it"]')
    page.tap('[data-part="node h1"]')
    page.wait_for_selector(".q-drawer--right .q-tab")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.wait_for_timeout(500)  # the drawer has slid in
    assert page.evaluate(PALE) == []
    assert phone.complaints == []
    phone.close()


def test_a_lab_that_was_stopped_is_said_to_rest(lab: Lab, tab: Tab) -> None:
    lab.stop()
    tab.page.wait_for_selector("header >> text=not running")
    assert tab.state_of("lab") == "rests"
