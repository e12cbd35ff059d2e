"""What all pages of a server share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

from playground.frontends.web.files import FileShelf
from playground.frontends.web.rights import Keys, Right
from playground.frontends.web.served_labs import ServedLabs
from playground.model.records import dataclass


@dataclass(frozen=True)
class Site:
    """The labs, tokens, threads and files of a server; ``address`` makes a page's address."""

    labs: ServedLabs
    keys: Keys
    threads: Executor
    files: FileShelf
    address: Callable[[str, Right | None], str]
