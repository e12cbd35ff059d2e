"""What the panel edits: a lab that runs, or one that is only drawn; and what it says of a draft."""

from __future__ import annotations

from typing import Protocol

from playground.model.records import dataclass
from playground.operations.pictures.diagram import Diagram


@dataclass(frozen=True)
class Looked:
    """What a draft would make: ``rows`` in words, the same as a ``program``, and its ``diagram``.

    ``base`` is the text that the rows are differences from, ``can_apply`` whether there is
    anything to apply.

    """

    base: str
    rows: tuple[str, ...]
    program: str
    diagram: Diagram
    can_apply: bool = True


class Edited(Protocol):
    """A lab that is edited; all but ``action`` and ``filename`` may wait, and is called in threads.

    ``action`` is the word on the button that makes the draft true, ``filename`` what a browser
    calls the file that it fetches.

    """

    @property
    def action(self) -> str: ...

    @property
    def filename(self) -> str: ...

    def text(self) -> str:
        """Return the lab's file as it is now."""

    def look(self, text: str) -> Looked:
        """Return what a draft would make; raises `TopologyError` for what cannot be."""

    def apply(self, text: str, base: str) -> str:
        """Make the draft true if ``base`` still is; return a sentence that says so."""
