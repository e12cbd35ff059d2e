"""The page of a lab shows it alive, and with the right to look only nothing changes it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from playground import Host, Lab, Link, Switch
from playground.frontends.web import server
from playground.frontends.web.picture_watch import PictureWatch
from playground.frontends.web.server import WebPage, open_page
from tests.frontends.web.socket_client import Socket
from tests.support_agent import needs_root

pytestmark = needs_root


@pytest.fixture(scope="module")
def lab(namespaces_engine) -> Iterator[Lab]:
    home = Switch("home", subnet="10.5.0.0/24")
    for name in ("h1", "h2"):
        Link(home, Host(name))
    with Lab(home, name="web-drawn", engine=namespaces_engine, quiet=True) as lab:
        yield lab


@pytest.fixture(scope="module")
def page(lab: Lab) -> WebPage:
    return open_page(lab)


def watch_of(lab: Lab) -> PictureWatch:
    return server._here[0].site.watch(lab.name, lab)


def events(socket: Socket, **values: Any) -> list[dict[str, Any]]:
    """Return all events that this page's elements hear, each with arguments that would do."""
    arguments = {"part": "node h1", "name": "h1", "x": 900, "y": 900, "step": 0, **values}
    return [
        {
            "id": int(number),
            "listener_id": event["listener_id"],
            "args": [json.dumps(one) for one in args],
        }
        for number, element in socket.elements.items()
        for event in element.get("events", ())
        for args in ([arguments], [arguments, arguments], [True], ["h1"], [None], [])
    ]


def test_the_page_has_the_picture_and_says_that_the_lab_runs(page: WebPage) -> None:
    elements = Socket(page.address).elements.values()
    (picture,) = [one["props"] for one in elements if "svg" in one.get("props", {})]
    assert "web-drawn: 2 machines, 2 links" in picture["svg"]
    assert 'data-part="node h1"' in picture["svg"]
    assert picture["ends"] == [["home", "h1"], ["home", "h2"]]
    assert "running" in [one.get("text") for one in elements]


def test_a_page_that_may_change_moves_cards_by_its_socket(lab: Lab, page: WebPage) -> None:
    # The positive control of what follows: the same events do change something.
    socket = Socket(page.address)
    asyncio.run(socket.send_all(events(socket)))
    # What was sent is done in threads, however busy the machine is.
    until = time.monotonic() + 60
    while watch_of(lab).places["h1"] != (900, 900) and time.monotonic() < until:
        time.sleep(0.05)
    assert watch_of(lab).places["h1"] == (900, 900)


def test_nothing_that_a_read_only_page_sends_changes_anything(lab: Lab, page: WebPage) -> None:
    before = dict(watch_of(lab).places), lab.state(), lab.plan()
    socket = Socket(page.look_address)
    sent = events(socket, x=333, y=333)
    assert len(sent) > 20
    asyncio.run(socket.send_all(sent))
    assert (dict(watch_of(lab).places), lab.state(), lab.plan()) == before


def test_a_browser_that_sends_nonsense_gets_no_further(lab: Lab, page: WebPage) -> None:
    socket = Socket(page.address)
    places = dict(watch_of(lab).places)
    wrong: list[dict[str, Any]] = [
        {"name": "gone"},
        {"x": "nan"},
        {"x": 1e300},
        {"part": "cable 99999"},
    ]
    sent = [event for values in wrong for event in events(socket, **values)]
    asyncio.run(socket.send_all(sent))
    assert watch_of(lab).places.keys() == places.keys()
    assert all(abs(x) < 1e7 and abs(y) < 1e7 for x, y in watch_of(lab).places.values())
