"""A hand on the live page that never tires: it uses whatever is there, in an order of chance."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from typing import Any

from playground import Host, Lab
from playground.errors import PlaygroundError

# Between two actions of a hand.
PAUSE_S = 0.5
_CLICK_MS = 15_000
# A lab of sixty nodes is read, compared and changed.
_APPLY_MS = 60_000

_PANEL = ".q-drawer--right"
_EDIT = ".q-drawer:has(.pg-edit-panel)"


class Hand:
    """What somebody does on a page, again and again; each returns when it is done.

    ``done`` and ``failed`` tell what, by the names of the actions; each action leaves the lab as
    it was, but for what hosts remember.

    """

    def __init__(self, lab: Lab, tab: Any, chance: random.Random) -> None:
        self._lab, self._tab, self._page, self._chance = lab, tab, tab.page, chance
        self._hosts = [node.name for node in lab.nodes if isinstance(node, Host)]
        self._nodes = [node.name for node in lab.nodes]
        self._drawn = 0
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []

    def act(self) -> None:
        """Do something."""
        often = [self._open_node, self._open_cable, self._follow_a_packet]
        seldom = [
            self._search,
            self._zoom,
            self._drag,
            self._shade_layers,
            self._turn_theme,
            self._share,
            self._pull,
            self._talk,
            self._draw_a_host,
            self._come_again,
        ]
        action = self._chance.choice([*often * 3, *seldom])
        name = action.__name__.strip("_")
        try:
            action()
            self.done[name] += 1
        except Exception as error:  # told in the end, with all others
            self.failed.append(f"{name}: {' '.join(str(error).split())[:300]}")
            self._start_over()

    def _start_over(self) -> None:
        with suppress(Exception):
            self._page.keyboard.press("Escape")
            self._page.reload()
            self._page.wait_for_selector(".pg-stage svg", timeout=_APPLY_MS)

    def _come_again(self) -> None:
        self._page.reload()
        self._page.wait_for_selector(".pg-stage svg", timeout=_CLICK_MS)

    # -- panels ------------------------------------------------------------------

    def _open_node(self) -> None:
        self._open(f"node {self._chance.choice(self._nodes)}")

    def _open_cable(self) -> None:
        self._open(f"cable {self._chance.randrange(len(self._lab.links))}")

    def _open(self, part: str) -> None:
        """Open all panels of a part of the picture, and use each."""
        self._page.locator(f'[data-part="{part}"]').press("Enter", timeout=_CLICK_MS)
        # The panel in which a lab is edited has tabs too, and stays closed.
        tabs = self._page.locator(f"{_PANEL} [role=tab]:visible")
        tabs.first.wait_for(timeout=_CLICK_MS)
        use = {
            "Terminal": self._type,
            "Services": self._restart,
            "Files": self._look_at_a_file,
            "Power": self._turn_off_and_on,
            "Explain to …": self._explain,
            "Controls": self._slow_down,
            "Capture": self._capture,
        }
        for title in tabs.all_inner_texts():
            tabs.get_by_text(title, exact=True).click(timeout=_CLICK_MS)
            self._wait()
            use.get(title, self._wait)()
        self._page.get_by_role("button", name="Close", exact=True).click(timeout=_CLICK_MS)

    def _wait(self) -> None:
        self._page.wait_for_timeout(PAUSE_S * 1000)

    def _button(self, name: str) -> Any:
        return self._page.locator(_PANEL).get_by_role("button", name=name, exact=True)

    def _press(self, name: str, timeout_ms: int = _CLICK_MS) -> None:
        self._button(name).click(timeout=timeout_ms)

    def _type(self) -> None:
        if not self._page.locator(f"{_PANEL} .xterm").count():
            return  # a switch's, or of a node that is stopped
        self._page.locator(".xterm-helper-textarea").last.focus(timeout=_CLICK_MS)
        self._page.keyboard.type("ip -br a; seq 300\n")
        self._press("New terminal")
        self._wait()
        self._page.locator(_PANEL).get_by_role("button", name="End", exact=True).last.click()

    def _restart(self) -> None:
        buttons = self._page.locator(f"{_PANEL} button[aria-label^='Restart ']")
        if count := buttons.count():
            buttons.nth(self._chance.randrange(count)).click(timeout=_CLICK_MS)
            self._wait()

    def _look_at_a_file(self) -> None:
        rows = self._page.locator(f"{_PANEL} .q-item:visible")
        if count := rows.count():
            # A folder may have been opened meanwhile, and hold less.
            with suppress(Exception):
                rows.nth(self._chance.randrange(count)).click(timeout=2_000)
            self._wait()

    def _turn_off_and_on(self) -> None:
        # What a router must find again takes its time; more of it would be all that there is.
        if self._chance.random() > 0.1 or not self._button("Stop").count():
            return
        self._press("Stop")
        self._button("Start").and_(self._page.locator(":enabled")).click(timeout=_APPLY_MS)
        self._page.get_by_text("runs.").wait_for(timeout=_APPLY_MS)

    def _explain(self) -> None:
        field = self._page.locator(_PANEL).get_by_label("To (a node, a name or an address)")
        if field.count():
            field.fill(self._chance.choice(self._hosts))
            self._press("Explain")
            self._wait()

    def _slow_down(self) -> None:
        if self._page.locator(f"{_PANEL} .q-slider__track-container").count():
            self._page.locator(f"{_PANEL} .q-slider__track-container").first.focus()
            self._page.keyboard.press("ArrowRight", delay=30)
            self._wait()
            self._press("Restore")
        self._press("Pull out")
        self._page.get_by_text("This link is down.").wait_for(timeout=_CLICK_MS)
        self._press("Plug in")
        self._page.get_by_text("This link is up.").wait_for(timeout=_CLICK_MS)

    def _capture(self) -> None:
        self._press("Start")
        self._page.get_by_text("packets; running").wait_for(timeout=_CLICK_MS)
        with suppress(PlaygroundError):  # there may be no way
            self._lab.node(self._chance.choice(self._hosts)).ping(
                self._chance.choice(self._hosts), count=2, interval_s=0.05
            )
        self._page.get_by_label("Show only").fill(self._chance.choice(["icmp", "arp", ""]))
        self._page.get_by_label("Show only").press("Enter")
        self._press("Ladder")
        self._wait()
        self._press("Stop")

    # -- the picture -------------------------------------------------------------

    def _follow_a_packet(self) -> None:
        """Choose two hosts by clicks, and wait for what is found."""
        page = self._page
        page.click('header [aria-label="Follow a packet"]', timeout=_CLICK_MS)
        one, other = self._chance.sample(self._hosts, 2)
        for name in (one, other):
            page.locator(f'[data-part="node {name}"]').press("Enter", timeout=_CLICK_MS)
        page.fill('[aria-label="Port"]', self._chance.choice(["80", "22", "53"]))
        page.press('[aria-label="Port"]', "Enter")
        page.click(".pg-follow-panel button:has-text('Follow')")
        page.wait_for_selector(".pg-well:visible, .pg-ill:visible", timeout=_APPLY_MS)
        page.click('header [aria-label="Follow a packet"]')

    def _search(self) -> None:
        self._page.fill('[aria-label="Search"]', self._chance.choice(self._hosts))
        self._page.wait_for_timeout(200)
        self._page.fill('[aria-label="Search"]', "")

    def _zoom(self) -> None:
        self._page.focus(f'[data-part="node {self._nodes[0]}"]')
        for key in ("+", "+", "-", "0"):
            self._page.keyboard.press(key)

    def _drag(self) -> None:
        name = self._chance.choice(self._hosts)
        box = self._page.locator(f'[data-part="node {name}"]').bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self._page.mouse.move(x, y)
        self._page.mouse.down()
        for step in (4, 8, 4, 0):
            self._page.mouse.move(x + step, y + step)
        self._page.mouse.up()
        # Where it took the move for a click, its panels have opened.
        close = self._page.get_by_role("button", name="Close", exact=True)
        if close.count():
            close.click()

    def _shade_layers(self) -> None:
        self._page.click('header [aria-label="Layers"]', timeout=_CLICK_MS)
        boxes = self._page.locator(".q-menu .q-checkbox")
        boxes.first.wait_for(timeout=_CLICK_MS)
        for _ in range(2):
            for number in range(boxes.count()):
                boxes.nth(number).click(timeout=_CLICK_MS)
        self._page.keyboard.press("Escape")

    def _turn_theme(self) -> None:
        for _ in range(2):
            self._page.click('[aria-label="Dark or light"]', timeout=_CLICK_MS)
            self._wait()

    def _share(self) -> None:
        self._page.click('[aria-label="Share"]', timeout=_CLICK_MS)
        self._page.locator(".q-dialog button:has-text('Close')").click(timeout=_CLICK_MS)

    # -- the lab -----------------------------------------------------------------

    def _pull(self) -> None:
        link = self._lab.node(self._chance.choice(self._hosts)).links[0]
        link.down()
        self._page.wait_for_selector(".pg-live-note[data-state=down]", timeout=_CLICK_MS)
        link.up()

    def _talk(self) -> None:
        one, other = self._chance.sample(self._hosts, 2)
        self._lab.node(one).ping(other, count=5, interval_s=0.05)

    def _draw_a_host(self) -> None:
        """Draw a host without links, apply it, and take it away again."""
        page = self._page
        self._drawn += 1
        name = f"drawn{self._drawn}"
        page.click('header [aria-label="Edit"]', timeout=_CLICK_MS)
        page.click(f"{_EDIT} .q-tab:has-text('YAML')", timeout=_CLICK_MS)
        page.wait_for_selector(f"{_EDIT} .cm-content >> text=playground", timeout=_APPLY_MS)
        page.click(f"{_EDIT} .q-tab:has-text('Draw')")
        page.fill(f'{_EDIT} [aria-label="Name"]', name)
        page.click(f"{_EDIT} button:has-text('Add')")
        page.wait_for_selector(f"{_EDIT} >> text=/{name} +node +host/", timeout=_APPLY_MS)
        self._apply(f"!!document.querySelector(`[data-part='node {name}']`)")
        page.locator(f'[data-part="node {name}"]').press("Enter", timeout=_CLICK_MS)
        page.click(f"{_EDIT} button:has-text('Remove')", timeout=_CLICK_MS)
        self._apply(f"!document.querySelector(`[data-part='node {name}']`)")
        page.click('header [aria-label="Edit"]')

    def _apply(self, then: str) -> None:
        self._page.locator(f'{_EDIT} [aria-label="Apply"]:enabled').click(timeout=_APPLY_MS)
        self._page.wait_for_function(then, timeout=_APPLY_MS)
