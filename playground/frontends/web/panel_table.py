"""The panels of nodes and of links, in the order of their tabs.

A new panel is a module in ``panels/`` and a line here.

"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from playground.frontends.web.panels import (
    connections,
    files,
    firewall,
    link_capture,
    link_controls,
    link_overview,
    link_traffic,
    neighbours,
    node_explain,
    node_overview,
    power,
    routes,
    services,
    sockets,
    terminal,
)
from playground.frontends.web.view import LabView


class Panel(Protocol):
    """What a module in ``panels/`` has; the docstring of this folder says what each is for."""

    TITLE: str

    def fits(self, view: LabView, name: str) -> bool:
        """Tell whether this node or link has such a panel."""

    def build(self, view: LabView, name: str) -> None:
        """Fill the current slot of NiceGUI."""


OF_NODES: Sequence[Panel] = (
    node_overview,
    terminal,
    services,
    routes,
    neighbours,
    sockets,
    connections,
    firewall,
    files,
    node_explain,
    power,
)

OF_LINKS: Sequence[Panel] = (link_overview, link_controls, link_traffic, link_capture)
