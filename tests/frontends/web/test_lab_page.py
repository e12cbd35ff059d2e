"""The page of a lab has its picture, and its nodes and links to be opened."""

from __future__ import annotations

from playground import Host, Lab, Link
from playground.frontends.web.server import open_page
from tests.frontends.web.socket_client import Socket


def test_the_page_names_every_node_and_link() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b)
    page = open_page(Lab(a, name="web-drawn"))
    text = Socket(page.address).page.text
    assert "a:eth0" in text and "web-drawn: 2 machines, 1 links" in text
    page.close()
