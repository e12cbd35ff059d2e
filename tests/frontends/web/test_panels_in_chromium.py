"""Every panel in a real browser: what it shows, what it does, and what it never does.

One lab and one browser for all.  A host of the lab is hostile: its files, its log, its
programs and what it sends have HTML in them, which stays text.

"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from nicegui import core

from playground import Host, Lab, Link, Router, Switch
from playground.engines.namespaces.engine import NamespacesEngine
from playground.frontends.web.link_keys import key_of
from playground.frontends.web.server import WebPage, _here, open_page
from playground.operations.pictures.diagram import drawn
from playground.operations.pictures.live_widget import _SCRIPT
from tests.frontends.web.browser_tab import PALE
from tests.frontends.web.chromium import PATIENCE_MS, chromium
from tests.support_agent import needs_root

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs_root

EVIL = "<img src=x onerror=window.hacked=1>"


class Network:
    """h1 at home behind a modem, www outside, and the page of their lab."""

    def __init__(self) -> None:
        self.home = Switch("home", subnet="192.168.1.0/24")
        self.modem, self.h1 = Router("modem"), Host("h1")
        self.www = Host("www.example.com", services=["http"])
        for node in (self.modem, self.h1):
            Link(self.home, node)
        self.uplink = Link(self.modem, self.www, subnet="203.0.113.0/24")
        self.modem.masquerade(self.uplink)
        self.modem.firewall.drop(protocol="tcp", port=25)
        self.page: WebPage
        self.lab: Lab

    @property
    def cable(self) -> str:
        """The uplink, as a part of the picture."""
        wires = drawn(self.lab.plan())
        number = next(n for n, wire in enumerate(wires) if key_of(wire) == "modem:eth1")
        return f"cable {number}"


@pytest.fixture(scope="module")
def net(namespaces_engine: NamespacesEngine, keep_lab: Callable[[str], None]) -> Iterator[Network]:
    net = Network()
    with Lab(net.home, name="panels-seen", engine=namespaces_engine, quiet=True) as lab:
        keep_lab(lab.id)
        net.lab, net.page = lab, open_page(lab)
        yield net
        net.page.close()


@pytest.fixture(scope="module")
def browser(net: Network) -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(net: Network, browser: Browser) -> Iterator[Page]:
    with opened(browser, net.page.address) as page:
        yield page


@contextmanager
def opened(browser: Browser, address: str, **how: Any) -> Iterator[Page]:
    """A page in a browser of its own, with the cookies of nobody else."""
    context = browser.new_context(**{"viewport": {"width": 1300, "height": 1000}, **how})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    try:
        yield page
        assert problems == []
        assert page.evaluate("window.hacked === undefined")
        assert page.locator("img[src=x]").count() == 0
    finally:
        context.close()


def open_panel(page: Page, part: str, title: str) -> None:
    """Open the panels of a part of the picture, by keys, and one of them."""
    page.locator(f'[data-part="{part}"]').press("Enter")
    tab = page.get_by_role("tab", name=title)
    tab.wait_for()
    tab.click()


# Tables of panels whose last column is cut beside the picture.
CUT = """() => [...document.querySelectorAll(".q-drawer--right .q-table__middle")].filter(
    table => table.scrollWidth > table.clientWidth).map(table => table.textContent)"""

WHITE = "rgb(255, 255, 255)"


def pale(page: Page) -> list[str]:
    """Texts of panels that are hard to read, but for notes and colours that come and go."""
    deadline = time.monotonic() + 5
    while True:
        found: list[str] = page.evaluate(PALE.replace("body *", ".q-drawer--right *"))
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def close_panels(page: Page) -> None:
    assert pale(page) == []
    page.get_by_role("button", name="Close", exact=True).click()


def wait_until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not look():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def terminal_text(page: Page) -> str:
    """What stands in a terminal, whose lines go on in the next where they are too long."""
    rows = page.locator(".xterm-rows > div").all_inner_texts()
    return "".join(row.replace("\xa0", " ") for row in rows)


# Keys go to a terminal once it has the focus, and a line that is typed before it has its size is
# drawn twice.
AT_HAND = """() => {
    const box = document.querySelector(".xterm")?.closest("[id^=c]");
    const terminal = box && getElement(Number(box.id.slice(1)))?.terminal;
    return terminal && terminal.cols !== 80 && document.activeElement.closest(".xterm");
}"""


def test_a_terminal_is_typed_in_watched_by_another_and_gone_with_its_panel(
    net: Network, page: Page, browser: Browser
) -> None:
    open_panel(page, "node h1", "Terminal")
    page.locator(".xterm-helper-textarea").wait_for(state="attached")
    page.wait_for_function(AT_HAND)
    wait_until(lambda: "#" in terminal_text(page))
    page.keyboard.type(f"printf '\\033[32m%s\\033[0m\\n' '{EVIL}'; echo {{$(tput cols)}}\n")
    wait_until(lambda: terminal_text(page).count(EVIL) == 2)
    assert page.locator(".xterm-fg-2").first.inner_text().startswith("<img")
    # It is as wide as the panel, and not as a screen of 1978.
    [columns] = re.findall(r"\{(\d+)\}", terminal_text(page))
    assert columns != "80"
    with opened(browser, net.page.look_address) as other:
        open_panel(other, "node h1", "Terminal")
        other.get_by_role("button", name="Look at terminal 1").click()
        wait_until(lambda: EVIL in terminal_text(other))
        other.keyboard.type("touch /root/typed\n")
        page.keyboard.type("echo see''n\n")
        wait_until(lambda: "seen" in terminal_text(other))
    assert net.h1.run("ls /root/typed", check=False).returncode != 0
    # A second one is another shell, and ends by itself alone.
    page.get_by_role("button", name="New terminal").click()
    wait_until(lambda: page.locator(".xterm").count() == 2)
    wait_until(lambda: sum("bash -l" in one.command for one in net.h1.processes()) == 2)
    page.get_by_role("button", name="End", exact=True).last.click()
    wait_until(lambda: sum("bash -l" in one.command for one in net.h1.processes()) == 1)
    assert page.locator(".xterm").count() == 1
    page.locator(".xterm-helper-textarea").focus()
    # Tab is the shell's; these keys lead out of it.
    page.keyboard.press("Control+Shift+X")
    assert page.evaluate("!document.activeElement.closest('.xterm')")
    assert any("bash -l" in row.command for row in net.h1.processes())
    close_panels(page)
    wait_until(lambda: not any("bash -l" in row.command for row in net.h1.processes()))


def test_services_stop_and_start_and_their_log_grows(net: Network, page: Page) -> None:
    open_panel(page, "node www.example.com", "Services")
    page.get_by_text("running", exact=True).last.wait_for()
    net.h1.run(["curl", "-s", "-A", EVIL, "http://www.example.com/first"])
    page.get_by_text(EVIL).first.wait_for()
    page.get_by_role("button", name="Stop http", exact=True).click()
    page.get_by_text("stopped", exact=True).wait_for()
    assert net.www.services["http"].status() == "stopped"
    page.get_by_role("button", name="Start http", exact=True).click()
    page.get_by_text("running", exact=True).last.wait_for()
    assert net.www.services["http"].status() == "running"
    close_panels(page)


def test_tables_show_what_the_kernel_has(net: Network, page: Page) -> None:
    net.h1.run("curl -s http://www.example.com/ >/dev/null")
    net.h1.run(f"cp /bin/sleep '/tmp/{EVIL[:12]}'; '/tmp/{EVIL[:12]}' 300 >/dev/null 2>&1 &")
    open_panel(page, "node h1", "Routes")
    page.get_by_role("cell", name="0.0.0.0/0").wait_for()
    assert page.evaluate(CUT) == []
    page.get_by_role("tab", name="Neighbours").click()
    page.get_by_role("cell", name="modem").first.wait_for()
    page.get_by_role("tab", name="Sockets").click()
    page.get_by_role("cell", name=f"/tmp/{EVIL[:12]} 300").first.wait_for()
    close_panels(page)
    open_panel(page, "node modem", "Connections")
    page.get_by_role("cell", name="203.0.113.2:80").first.wait_for()
    assert page.evaluate(CUT) == []
    close_panels(page)
    net.h1.kill_background()


def test_counters_of_a_firewall_move(net: Network, page: Page) -> None:
    open_panel(page, "node modem", "Firewall")
    row = page.get_by_role("row").filter(has_text="port 25")
    row.wait_for()
    assert row.locator("td").nth(4).inner_text() == "0"
    net.h1.run("curl -s -m 1 telnet://203.0.113.2:25", check=False)
    wait_until(lambda: row.locator("td").nth(4).inner_text() not in ("", "0"))
    close_panels(page)


def test_files_are_looked_at_fetched_and_sent(net: Network, page: Page, tmp_path: Path) -> None:
    net.h1.write(f"/root/{EVIL}", f"{EVIL}\n")
    net.h1.run("ln -s /etc/passwd /root/elsewhere")
    open_panel(page, "node h1", "Files")
    page.locator(".q-item").filter(has_text=EVIL).press("Enter")
    page.get_by_text(f"/root/{EVIL}").wait_for()
    with page.expect_download() as fetched:
        page.get_by_role("link", name="Download").click()
    fetched.value.save_as(tmp_path / "fetched")
    assert (tmp_path / "fetched").read_text() == f"{EVIL}\n"
    # A link leads about the host, and nowhere else.
    page.get_by_text("elsewhere → /etc/passwd").click()
    page.get_by_text("root:x:0:0").wait_for()
    sent = tmp_path / "sent.txt"
    sent.write_text("from here")
    page.locator("input[type=file]").set_input_files(sent)
    page.get_by_text("/root/sent.txt was written").wait_for()
    assert net.h1.read("/root/sent.txt") == "from here"
    close_panels(page)


def test_a_packet_is_explained(page: Page) -> None:
    open_panel(page, "node h1", "Explain to …")
    panel = page.locator(".q-drawer--right").filter(visible=True)
    panel.get_by_label("To (a node, a name or an address)").fill("www.example.com")
    panel.get_by_label("Port (empty: ping)").fill("80")
    panel.get_by_role("button", name="Explain", exact=True).click()
    panel.get_by_text("✓ it arrives").wait_for()
    assert panel.get_by_text("h1 → modem → www.example.com").count() == 1
    close_panels(page)


def test_a_node_is_stopped_and_started(net: Network, page: Page) -> None:
    open_panel(page, "node www.example.com", "Power")
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_text("www.example.com is stopped.").wait_for()
    assert not net.www.is_running
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text("www.example.com runs.").wait_for()
    assert net.www.is_running
    close_panels(page)


def test_a_link_is_made_slow_and_pulled_out_by_keys_alone(net: Network, page: Page) -> None:
    open_panel(page, net.cable, "Controls")
    page.get_by_text("not impaired").wait_for()
    delay = page.locator(".q-slider__track-container[role=slider]").first
    delay.focus()
    assert delay.get_attribute("aria-label") == "Delay in ms"
    assert page.get_by_role("slider").count() == 3
    for _ in range(4):
        page.keyboard.press("ArrowRight", delay=30)
        time.sleep(0.1)
    page.get_by_text("toward modem: delay 10 ms").wait_for()
    assert delay.get_attribute("aria-valuenow") == "4"
    assert net.uplink.impairments[0].impairment.delay_ms == 10
    page.get_by_role("button", name="Restore").press("Enter")
    page.get_by_text("not impaired").wait_for()
    page.get_by_role("button", name="Pull out").press("Enter")
    page.get_by_text("This link is down.").wait_for()
    assert not net.uplink.statistics()[0].up
    page.get_by_role("button", name="Plug in").press("Enter")
    page.get_by_text("This link is up.").wait_for()
    close_panels(page)


def test_traffic_is_drawn(net: Network, page: Page) -> None:
    open_panel(page, net.cable, "Traffic")
    net.h1.ping("www", count=2)
    page.get_by_text(re.compile(r"from modem: \d")).wait_for()
    assert page.locator(".pg-chart svg path").count() > 5
    assert page.get_by_role("columnheader", name="www.example.com").count() == 1
    close_panels(page)


def test_a_capture_grows_is_filtered_drawn_and_fetched(
    net: Network, page: Page, tmp_path: Path
) -> None:
    open_panel(page, net.cable, "Capture")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text("0 packets; running").wait_for()
    net.h1.run(["curl", "-s", "--request-target", f"/{EVIL}", "http://www.example.com/"])
    net.h1.ping("www", count=1)
    page.locator(".ag-row").filter(has_text=EVIL).first.wait_for()
    page.locator(".ag-row").filter(has_text=EVIL).first.click()
    page.get_by_text("0040").first.wait_for()
    assert page.get_by_text("Ethernet", exact=True).count() == 1
    page.get_by_label("Show only").fill("icmp")
    page.get_by_label("Show only").press("Enter")
    page.get_by_text(re.compile(r"\d packets, 2 shown")).wait_for()
    page.get_by_role("button", name="Ladder").click()
    drawn = page.get_by_alt_text("Sequence diagram of the packets")
    drawn.wait_for()
    assert drawn.evaluate("image => image.decode().then(() => image.naturalWidth)") > 200
    with page.expect_download() as fetched:
        page.get_by_role("link", name="Download as pcapng").click()
    fetched.value.save_as(tmp_path / "fetched.pcapng")
    assert (tmp_path / "fetched.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    page.get_by_role("button", name="Wireshark").click()
    command = page.get_by_text("curl -sNK").inner_text().removesuffix("wireshark -k -i -")
    [address] = re.findall(r'url="(.*?)"', command)
    without = subprocess.run(["curl", "-s", address.partition("?")[0]], capture_output=True)
    assert b"token" in without.stdout
    reader = subprocess.Popen(["/bin/sh", "-c", f"{command} cat"], stdout=subprocess.PIPE)
    assert reader.stdout is not None
    got = reader.stdout.read(100)
    threading.Thread(target=lambda: net.h1.ping("www", count=1), daemon=True).start()
    got += reader.stdout.read(300)
    assert b"modem/eth1" in got
    # The panel goes, and with it what it has begun: the program's stream ends too.
    close_panels(page)
    reader.communicate(timeout=30)
    wait_until(lambda: not [one for one in threading.enumerate() if "capture" in one.name])


def test_who_may_only_look_sees_all_and_changes_nothing(net: Network, browser: Browser) -> None:
    with opened(browser, net.page.look_address) as page:
        open_panel(page, net.cable, "Controls")
        page.get_by_text("not impaired").wait_for()
        page.get_by_role("button", name="Pull out").click()
        page.get_by_text("to look at only").first.wait_for()
        assert net.uplink.statistics()[0].up
        close_panels(page)
        open_panel(page, "node www.example.com", "Services")
        page.get_by_text("running", exact=True).last.wait_for()
        assert page.get_by_role("button", name="Stop http", exact=True).count() == 0
        page.get_by_role("tab", name="Files").click()
        # From the top, as nobody: what is root's own is not shown to whoever looks.
        page.get_by_text(re.compile("^etc/?$")).wait_for()
        assert page.locator("input[type=file]").count() == 0


def test_on_a_phone_in_the_dark_panels_fit_and_can_be_read(net: Network, browser: Browser) -> None:
    size = {"width": 390, "height": 800}
    with opened(browser, net.page.address, viewport=size, color_scheme="dark") as page:
        open_panel(page, "node www.example.com", "Services")
        page.get_by_text("running", exact=True).last.wait_for()
        assert pale(page) == []
        page.get_by_role("tab", name="Files").click()
        page.get_by_text(".bashrc").wait_for()
        assert pale(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        close_panels(page)
        open_panel(page, net.cable, "Traffic")
        page.get_by_text(re.compile(r"from modem: \d")).wait_for()
        ink = page.locator(".pg-chart text").first
        wait_until(lambda: ink.evaluate("text => getComputedStyle(text).fill") == WHITE)
        close_panels(page)


def test_what_a_page_has_begun_ends_with_the_page(
    net: Network, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long a browser that has gone may come back: 30 s, as long as nobody says otherwise.
    monkeypatch.setattr(core.app.config, "reconnect_timeout", 0.2)
    with opened(browser, net.page.address) as page:
        open_panel(page, "node h1", "Terminal")
        wait_until(lambda: "#" in terminal_text(page))
    with opened(browser, net.page.address) as other:
        open_panel(other, net.cable, "Capture")
        other.get_by_role("button", name="Start", exact=True).click()
        other.get_by_text("0 packets; running").wait_for()
    wait_until(lambda: not any("bash -l" in row.command for row in net.h1.processes()))
    wait_until(lambda: not [one for one in threading.enumerate() if "capture" in one.name])
    assert not _here[0].site.sessions.terminals._open


def test_keys_copy_and_paste_in_a_terminal(net: Network, browser: Browser) -> None:
    allowed = {"permissions": ["clipboard-read", "clipboard-write"]}
    with opened(browser, net.page.address, **allowed) as page:
        open_panel(page, "node h1", "Terminal")
        wait_until(lambda: "#" in terminal_text(page))
        page.evaluate("text => navigator.clipboard.writeText(text)", "echo from the''-clipboard")
        page.get_by_role("button", name="Paste").click()
        wait_until(lambda: "echo from the" in terminal_text(page))
        page.locator(".xterm-helper-textarea").press("Enter")
        wait_until(lambda: "from the-clipboard" in terminal_text(page))
        page.locator(".xterm-rows > div").nth(1).dblclick(position={"x": 10, "y": 5})
        page.keyboard.press("Control+C")
        wait_until(lambda: page.evaluate("navigator.clipboard.readText()") == "from")
        page.keyboard.press("Control+V")
        wait_until(lambda: re.search(r"# from", terminal_text(page)))
        close_panels(page)


# A notebook's end of a widget, as anywidget's modules see it (https://anywidget.dev/en/afm/).
MODEL = """async ([source, svg, shown]) => {
    const blob = new Blob([source], { type: "text/javascript" });
    const { default: widget } = await import(URL.createObjectURL(blob));
    const hearers = new Set();
    window.said = [];
    window.tell = message => hearers.forEach(hear => hear(message));
    const model = {
        get: name => ({ svg, shown })[name],
        on: (kind, hear) => kind === "msg:custom" && hearers.add(hear),
        off: (kind, hear) => hearers.delete(hear),
        send: ({ word }) => window.said.push(word),
    };
    window.dispose = await widget.render({ model, el: document.body });
}"""


def test_the_picture_of_a_notebook_is_drawn_and_changes_with_the_lab(
    net: Network, browser: Browser
) -> None:
    widget = net.lab.live()
    page = browser.new_page()
    try:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        # Whatever would be in it, the drawing is no page: none of its scripts run.
        svg = widget.svg.replace("</svg>", "<script>window.hacked = 1</script></svg>")
        page.evaluate(MODEL, [_SCRIPT.read_text(), svg, widget.shown])
        cable = page.locator(f'[data-part="{net.cable}"]').first
        assert page.locator('[data-part="node h1"]').count() >= 1
        assert page.locator('[data-part="lab"]').first.get_attribute("data-state") == "runs"
        assert page.evaluate("said") == ["new"]

        def look() -> str | None:
            change = widget._picture.change()
            message = {"svg": change.svg or "", "attributes": change.attributes}
            page.evaluate("message => tell(message)", message)
            return cable.get_attribute("data-state")

        net.uplink.down()
        wait_until(lambda: look() == "down")
        net.uplink.up()
        wait_until(lambda: look() not in ("down", None))
        page.evaluate("tell({svg: '', attributes: {'node h1': {title: '" + EVIL + "'}}})")
        assert page.locator("img").count() == 0
        page.evaluate("dispose()")
        assert page.evaluate("said.at(-1)") == "gone"
        page.evaluate("tell({svg: '<svg/>', attributes: {}})")  # it hears no more
        assert page.locator('[data-part="node h1"]').count() >= 1
        assert page.evaluate("window.hacked === undefined") and problems == []
    finally:
        page.close()
        widget.close()


def test_a_lab_that_dies_leaves_a_page_that_says_so_once(net: Network, page: Page) -> None:
    open_panel(page, net.cable, "Traffic")
    page.get_by_text(re.compile(r"from modem: \d")).wait_for()
    net.lab.stop()
    page.get_by_text("not up in a running lab").first.wait_for()
    page.wait_for_timeout(2500)
    assert page.get_by_text("not up in a running lab").count() == 1
    page.get_by_role("tab", name="Controls").click()
    page.get_by_role("button", name="Pull out").wait_for()
