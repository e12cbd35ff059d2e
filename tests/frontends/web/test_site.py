"""What pages share is handed over whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from playground.frontends.web.files import FileShelf
from playground.frontends.web.rights import Keys
from playground.frontends.web.served_labs import ServedLabs
from playground.frontends.web.site import Site


def test_a_site_is_frozen() -> None:
    with ThreadPoolExecutor(1) as threads:
        site = Site(ServedLabs(), Keys(), threads, FileShelf(), lambda path, right: path)
        assert site.address("/", None) == "/"
        assert site.labs.lines() == []
