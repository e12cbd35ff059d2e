"""Files that a page offers to be fetched, as long as it is open: downloads and streams."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from urllib.parse import quote

from playground.errors import UnknownName
from playground.model.records import dataclass

# Below it is what programs fetch as well, which have no cookies: a token stays in the address.
FILES = "/files/"

# Called for each fetch, in a thread: the whole, or piece by piece.
Source = Callable[[], bytes | Iterable[bytes]]


@dataclass(frozen=True)
class OfferedFile:
    """A file to be fetched by whoever may look at the lab; ``media_type`` None says: of bytes."""

    lab: str
    filename: str
    source: Source
    media_type: str | None = None


class FileShelf:
    """All files that pages of this server offer now, each under a name nobody can guess."""

    def __init__(self) -> None:
        self._files: dict[str, OfferedFile] = {}

    def add(self, lab: str, filename: str, source: Source, media_type: str | None = None) -> str:
        """Offer a file, and return its key."""
        key = secrets.token_urlsafe(16)
        self._files[key] = OfferedFile(lab, filename, source, media_type)
        return key

    def address(self, key: str, filename: str) -> str:
        """Return where the file is fetched, below the server."""
        return f"{FILES}{key}/{quote(filename, safe='')}"

    def find(self, key: str) -> OfferedFile:
        """Return the file of that key; raises `UnknownName` where its page was closed."""
        try:
            return self._files[key]
        except KeyError:
            raise UnknownName("this file is offered no more: its page was closed") from None

    def remove(self, key: str) -> None:
        """Offer it no more; removing what is not there does nothing."""
        self._files.pop(key, None)
