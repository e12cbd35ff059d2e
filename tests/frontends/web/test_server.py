"""The server answers who holds an address of it, on this machine; a host of a lab never."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from playground import BadArgument, Host, Lab, Link, PlaygroundError, Switch
from playground.frontends.web.server import Listening, WebPage, WebServer, open_page
from tests.frontends.web.socket_client import Socket, visiting
from tests.support_agent import needs_root

pytestmark = needs_root


@pytest.fixture(scope="module")
def lab(namespaces_engine) -> Iterator[Lab]:
    home = Switch("home", subnet="10.5.0.0/24")
    for name in ("h1", "h2"):
        Link(home, Host(name))
    with Lab(home, name="web-served", engine=namespaces_engine, quiet=True) as lab:
        yield lab


@pytest.fixture(scope="module")
def page(lab: Lab) -> WebPage:
    return open_page(lab)


def test_its_address_opens_it_and_without_the_token_nobody_does(lab: Lab, page: WebPage) -> None:
    plain = page.address.partition("?")[0]
    assert httpx.get(plain).status_code == 401
    with visiting(page.address) as (_, seen):
        assert seen.status_code == 200
    assert page.address.startswith("http://localhost:")
    # The second page of a program is at the same server.
    assert open_page(lab).address.partition("?")[0] == plain


def test_an_address_to_look_at_opens_nothing_else(page: WebPage) -> None:
    with visiting(page.look_address) as (client, seen):
        assert seen.status_code == 200
        assert client.get(page.address.partition("?")[0]).status_code == 403
        other = page.address.partition("?")[0].replace("web-served", "another")
        assert client.get(other.replace("/lab/", "/look/")).status_code == 403


def test_a_rebound_name_and_other_pages_sockets_are_refused(page: WebPage) -> None:
    with visiting(page.address) as (client, seen):
        assert client.get(seen.url, headers={"host": "evil.example"}).status_code == 421
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        socket = Socket(page.address, {"Origin": origin})
        with pytest.raises(InvalidStatus):
            asyncio.run(socket.send_all([]))


def test_the_pages_own_socket_is_answered(page: WebPage) -> None:
    assert asyncio.run(Socket(page.address).send_all([], 0.5))


def test_a_host_of_the_lab_cannot_reach_the_page(lab: Lab, page: WebPage) -> None:
    port = page.address.rpartition(":")[2].partition("/")[0]
    probe = "import socket; socket.create_connection(('127.0.0.1', {}), 2)"
    # Its own loopback is another one; and the machine's has no way to it.
    refused = lab["h1"].run(["python3", "-c", probe.format(port)], check=False)
    assert "ConnectionRefusedError" in refused.stderr


def test_a_closed_page_leads_nowhere_and_the_lab_goes_on(lab: Lab) -> None:
    second = open_page(lab)
    with visiting(second.address) as (client, seen):
        second.close()
        assert httpx.get(second.address).status_code == 403
        assert client.get(seen.url).status_code == 401
    assert lab.running


def test_a_page_that_is_closed_late_shuts_no_other_labs_of_that_name() -> None:
    server = WebServer(Listening())
    first, second = (Lab(Host("h1"), name="again") for _ in range(2))
    pages = [WebPage(server, lab, server.labs.add(lab)) for lab in (first, second)]
    tokens = [page.address.partition("token=")[2] for page in pages]
    pages[0].close()
    assert [server.keys.right_of(token) is None for token in tokens] == [True, False]
    assert server.labs.open("again") is second
    pages[1].close()
    assert server.keys.right_of(tokens[1]) is None
    server.close()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (Listening("0.0.0.0"), "add --password"),
        (Listening("::", password="short"), "fewer than 8"),
        (Listening("::", password="long enough"), "could read on the way"),
        (Listening(certificate=Path("c.pem")), "come together"),
    ],
)
def test_strangers_are_not_let_in_by_mistake(where: Listening, words: str) -> None:
    with pytest.raises(BadArgument, match=words):
        where.check()


def test_a_port_that_is_taken_is_said(lab: Lab, page: WebPage) -> None:
    with pytest.raises(PlaygroundError, match="already"):
        open_page(lab, port=1)


def test_a_notebook_gets_a_link_and_a_frame(page: WebPage) -> None:
    shown = page._repr_html_()
    assert f'<a href="{page.address}"' in shown and f'<iframe src="{page.address}"' in shown
