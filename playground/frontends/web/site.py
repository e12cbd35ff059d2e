"""What all pages of a server share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor
from weakref import WeakValueDictionary

from playground.frontends.web.drawing.drawings import Drawings
from playground.frontends.web.files import FileShelf
from playground.frontends.web.picture_watch import PictureWatch
from playground.frontends.web.rights import Keys, Right
from playground.frontends.web.served_labs import ServedLabs
from playground.frontends.web.sessions.shared_sessions import Sessions
from playground.frontends.web.thread_shares import ThreadShare, ThreadShares
from playground.frontends.web.view import LabView
from playground.lab.lab import Lab

# What many browsers ask at once of one lab waits its turn.
_THREADS_OF_A_LAB = 7


class Site:
    """The labs, tokens, threads and files of a server; ``address`` makes a page's address.

    ``threads`` are for what is no lab's; each lab has its own.  ``sessions`` are what its pages
    have open together.

    """

    def __init__(
        self,
        labs: ServedLabs,
        keys: Keys,
        threads: Executor,
        files: FileShelf,
        address: Callable[[str, Right | None], str],
    ) -> None:
        self.labs = labs
        self.keys = keys
        self.threads = threads
        self.files = files
        self.address = address
        self.sessions = Sessions()
        self.drawings = Drawings()
        self._shares = ThreadShares(_THREADS_OF_A_LAB)
        # Kept by the pages that show them: what nobody looks at is forgotten.
        self._watches: WeakValueDictionary[str, PictureWatch] = WeakValueDictionary()
        self._views: dict[LabView, Callable[[], object]] = {}
        self._lock = threading.Lock()
        self._shared: dict[Right, str] = {}
        labs.on_ended(keys.labs_ended)

    def shared(self, path: str, right: Right) -> str:
        """Return the address that all pages share for a right, as long as its token is good."""
        with self._lock:
            good = {
                one: address
                for one, address in self._shared.items()
                if self.keys.right_of(address.rpartition("token=")[2]) is not None
            }
            if right not in good:
                good[right] = self.address(path, right)
            self._shared = good
            return good[right]

    def threads_of(self, name: str) -> ThreadShare:
        """Return the threads that a lab may take: no other waits for its hosts."""
        return self._shares.of(name)

    def close(self) -> None:
        """End what pages have open, and ask no lab anything more."""
        self.sessions.close()
        self._shares.shutdown()

    def opened(self, view: LabView, shut: Callable[[], object]) -> None:
        """Keep a page of a lab, until it is closed; ``shut`` closes it, from any thread."""
        with self._lock:
            self._views[view] = shut
        view.on_close(lambda: self._forget(view))

    def _forget(self, view: LabView) -> None:
        with self._lock:
            self._views.pop(view, None)

    def withdraw(self, name: str, but: str | None = None, only: str | None = None) -> None:
        """Let all addresses of a lab lead nowhere, and shut its pages.

        ``but`` is the key of a lab of that name which is there now: its own stay.  ``only`` is the
        key of the one whose addresses are meant, where another may have its name by now.

        """
        self.keys.withdraw(name, but, only)
        with self._lock:
            gone = [
                view
                for view in self._views
                if view.name == name and view.key != but and only in (None, view.key)
            ]
            shuts = [self._views.pop(view) for view in gone]
        for view, shut in zip(gone, shuts, strict=True):
            view.withdraw()
            shut()

    def watch(self, name: str, lab: Lab) -> PictureWatch:
        """Return the living picture of a lab, one for all who look at it."""
        watch = self._watches.get(name)
        if watch is None or watch.lab is not lab:
            watch = self._watches[name] = PictureWatch(lab, self.threads_of(name))
        return watch
