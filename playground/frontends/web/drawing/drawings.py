"""The drawings of a server, and what the right to one lets its holder do."""

from __future__ import annotations

from collections.abc import Iterable

from playground.frontends.web.drawing.drawing import Drawing
from playground.frontends.web.rights import Right


class Drawings:
    """The labs that are drawn on this server's pages, by the names of their labs."""

    def __init__(self) -> None:
        self._by_name: dict[str, Drawing] = {}

    def add(self, drawing: Drawing) -> None:
        """Show one more."""
        self._by_name[drawing.name] = drawing

    def find(self, name: str, rights: Iterable[Right]) -> Drawing | None:
        """Return the drawing of that name, for who may draw on it; else None."""
        drawing = self._by_name.get(name)
        if drawing is None or not {drawing.right, Right(may_change=True)} & {*rights}:
            return None
        return drawing

    def of_lab(self, name: str, key: str) -> Drawing | None:
        """Return the drawing that a lab was started from; None for any other lab."""
        drawing = self._by_name.get(name)
        return drawing if drawing is not None and key and drawing.began == key else None

    def widened(self, rights: Iterable[Right]) -> frozenset[Right]:
        """Return these rights, with those to the labs that were started from drawings."""
        found = frozenset(rights)
        more = {
            Right(drawing.name, True, drawing.began)
            for drawing in self._by_name.values()
            if drawing.began and drawing.right in found
        }
        return found | more
