"""Pages of labs: what they say of labs that are not there, and of files."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator

import httpx
import pytest
from fastapi import Request
from nicegui import app

from playground import Host, Lab, PlaygroundError
from playground.errors import NotRunning
from playground.frontends.web import page as page_of_labs
from playground.frontends.web import server
from playground.frontends.web.page import is_mistake
from playground.frontends.web.server import open_page
from tests.frontends.web.socket_client import visiting


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    yield Lab(Host("a"), name="web-pages")  # not started: a page shows it all the same


def test_a_lab_that_does_not_run_is_shown_and_one_that_was_closed_is_not(lab: Lab) -> None:
    page = open_page(lab)
    with visiting(page.address) as (client, seen):
        assert seen.status_code == 200 and "not running" in seen.text
        server._here[0].labs.remove(lab)
        gone = client.get(seen.url)
        assert gone.status_code == 404 and "does not show a lab" in gone.text
        assert '<a href="/">' in gone.text
    page.close()


def test_labs_that_hang_hold_up_the_page_of_no_other(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_of_labs, "_OPEN_LIMIT_S", 1.0)
    page = open_page(lab)
    hanging = [Lab(Host("h"), name=f"hangs-{number}") for number in range(5)]
    pages = [open_page(one) for one in hanging]
    site = server._here[0].site
    go_on = threading.Event()
    for one in hanging:
        for _ in range(30):  # as many browsers ask
            site.threads_of(one.name).submit(go_on.wait, 60)
    try:
        with visiting(page.address) as (_, seen):
            assert seen.status_code == 200
        with visiting(pages[0].address) as (_, seen):
            assert seen.status_code == 503 and "hangs-0 has not answered" in seen.text
        assert not go_on.is_set()
    finally:
        go_on.set()
        for served in (page, *pages):
            served.close()


def test_an_address_that_leads_nowhere_is_answered_by_a_page_of_our_own(lab: Lab) -> None:
    page = open_page(lab)
    with visiting(page.look_address) as (client, seen):
        nowhere = client.get(seen.url.join("/nosuch"))
        assert nowhere.status_code == 404
        assert "there is no page /nosuch" in nowhere.text and '<a href="/">' in nowhere.text
    page.close()


def test_the_list_has_what_a_token_is_for(lab: Lab) -> None:
    page = open_page(lab)
    with visiting(page.look_address) as (client, seen):
        listed = client.get(seen.url.join("/"))
        assert "/look/web-pages" in listed.text
        assert "/lab/web-pages" not in listed.text
    page.close()


def test_a_file_is_fetched_by_who_may_look_and_is_no_page(lab: Lab) -> None:
    page = open_page(lab)
    files = server._here[0].site.files
    whole = files.add("web-pages", "x.html", lambda: b"<script>")
    pieces = files.add("web-pages", "y", lambda: iter([b"a", b"b"]))
    strange = files.add("another", "z", lambda: b"z")
    with visiting(page.look_address) as (client, seen):
        got = client.get(seen.url.join(files.address(whole, "x.html")))
        assert got.content == b"<script>"
        assert got.headers["content-disposition"].startswith("attachment")
        assert got.headers["content-type"] == "application/octet-stream"
        assert "sandbox" in got.headers["content-security-policy"]
        assert client.get(seen.url.join(files.address(pieces, "y"))).content == b"ab"
        assert client.get(seen.url.join(files.address(strange, "z"))).status_code == 403
        assert client.get(seen.url.join("/files/none/z")).status_code == 404
    page.close()


def test_what_a_browser_sends_is_cut_before_it_fills_a_disk(lab: Lab) -> None:
    page = open_page(lab)
    piece = b"\0" * (1 << 20)

    @app.post("/test-of-a-form")
    async def read(request: Request) -> str:
        async with request.form():
            return "read"

    def body(most: int) -> Iterator[bytes]:
        yield b'--x\r\ncontent-disposition: form-data; name="f"; filename="f"\r\n\r\n'
        for _ in range(most):
            yield piece
        yield b"\r\n--x--\r\n"

    try:
        with visiting(page.address) as (client, seen):
            headers = {
                "content-type": "multipart/form-data; boundary=x",
                "origin": str(seen.url.join("/")).rstrip("/"),
            }
            where = seen.url.join("/test-of-a-form")
            assert client.post(where, content=body(2), headers=headers).text == '"read"'
            assert client.post(where, content=body(70), headers=headers).status_code == 413
    finally:
        app.remove_route("/test-of-a-form")
    page.close()


def test_a_refusal_is_told_on_the_page_and_mistakes_of_ours_in_the_log_too() -> None:
    def record(error: Exception | None) -> logging.LogRecord:
        about = None if error is None else (type(error), error, None)
        return logging.LogRecord("nicegui", logging.ERROR, "app.py", 1, "", (), about)

    assert not is_mistake(record(NotRunning("h1 is stopped")))
    assert is_mistake(record(ValueError("ours")))
    assert is_mistake(record(None))


def test_an_address_is_of_one_lab_and_not_of_the_next_that_has_its_name(lab: Lab) -> None:
    page = open_page(lab)
    other = Lab(Host("b"), name=lab.name)
    with visiting(page.look_address) as (client, seen):
        # Another program's would come without a word: here it is added behind the page's back.
        server._here[0].labs.add(other)
        assert client.get(seen.url).status_code == 403
        assert "web-pages" not in client.get(seen.url.join("/")).text
    assert httpx.get(page.address).status_code == 403, "withdrawn when that was seen"
    page.close()


def test_a_page_that_is_open_is_shut_with_its_addresses(lab: Lab) -> None:
    page, site = open_page(lab), server._here[0].site
    with visiting(page.address):
        [view] = [one for one in site._views if one.name == lab.name]
        part = view.part()
        page.close()
        assert not any(one.name == lab.name for one in site._views)
        for one in (view, part):
            with pytest.raises(PlaygroundError, match="was closed by whoever began it"):
                asyncio.run(one.act(list))
            with pytest.raises(PlaygroundError, match="was closed by whoever began it"):
                asyncio.run(one.ask(list))
