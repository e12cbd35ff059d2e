"""The overview of a link names both ends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from playground import Host, Lab, Link
from playground.frontends.web.files import FileShelf
from playground.frontends.web.panels.link_overview import rows
from playground.frontends.web.view import LabView


def test_it_names_both_ends_and_says_whether_frames_pass() -> None:
    a, b = Host("a"), Host("b")
    link = Link(a, b)
    link.down()
    with ThreadPoolExecutor(1) as threads:
        view = LabView(Lab(a, name="overview"), "overview", True, threads, FileShelf())
        assert rows(view, "a:eth0") == ["a  eth0", "b  eth0", "down: no frame passes"]
