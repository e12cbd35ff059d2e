"""The panels of nodes and of links, in the order of their tabs.

A new panel is a module in ``panels/`` and a line here.

"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from playground.frontends.web.panels import link_overview, node_overview
from playground.frontends.web.view import LabView


class Panel(Protocol):
    """What a module in ``panels/`` has; the docstring of this folder says what each is for."""

    TITLE: str

    def fits(self, view: LabView, name: str) -> bool:
        """Tell whether this node or link has such a panel."""

    def build(self, view: LabView, name: str) -> None:
        """Fill the current slot of NiceGUI."""


OF_NODES: Sequence[Panel] = (node_overview,)

OF_LINKS: Sequence[Panel] = (link_overview,)
