"""Panels without a browser: a client of NiceGUI that nobody looks at, and views of labs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playground import Lab
from playground.frontends.web.files import FileShelf
from playground.frontends.web.thread_shares import ThreadShare
from playground.frontends.web.view import LabView


@contextmanager
def view_of(lab: Lab, may_change: bool = True) -> Iterator[LabView]:
    """A page's view of a lab, which need not run."""
    threads = ThreadShare(2, "panel of a test")
    view = LabView(lab, lab.name, may_change, threads, FileShelf())
    try:
        yield view
    finally:
        view.close()
        threads.shutdown()
