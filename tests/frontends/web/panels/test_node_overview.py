"""The overview of a node says what was declared and planned of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from playground import Host, Lab, Link, Switch
from playground.frontends.web.files import FileShelf
from playground.frontends.web.panels.node_overview import rows
from playground.frontends.web.view import LabView


def test_it_says_kind_interfaces_and_services() -> None:
    home, www = Switch("home", subnet="10.0.0.0/24"), Host("www", services=["http"])
    Link(home, www)
    with ThreadPoolExecutor(1) as threads:
        view = LabView(Lab(home, name="overview"), "overview", True, threads, FileShelf())
        kind, interface, services = rows(view, "www")
        assert (kind, services) == ("a host", "services: http")
        assert interface.startswith("eth0  10.0.0.1/24  ")
        assert rows(view, "home") == ["a switch with 1 link"]
