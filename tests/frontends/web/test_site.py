"""What pages share is handed over whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from playground.frontends.web.files import FileShelf
from playground.frontends.web.rights import Keys, Right
from playground.frontends.web.served_labs import ServedLabs
from playground.frontends.web.site import Site


def test_a_site_is_frozen() -> None:
    with ThreadPoolExecutor(1) as threads:
        site = Site(ServedLabs(), Keys(), threads, FileShelf(), lambda path, right: path)
        assert site.address("/", None) == "/"
        assert site.labs.lines() == []


def test_a_shared_address_stays_however_many_pages_and_programs_come() -> None:
    keys, look = Keys(), Right("a", bound_to="a-1")
    with ThreadPoolExecutor(1) as threads:
        site = Site(
            ServedLabs(),
            keys,
            threads,
            FileShelf(),
            lambda path, right: f"{path}?token={keys.issue(right)}",
        )
        address = site.shared("/look/a", look)
        for _ in range(600):
            assert site.shared("/look/a", look) == address
            keys.issue(replace(look, for_programs=True))
        assert keys.right_of(address.partition("token=")[2]) == look
        site.withdraw("a")
        again = site.shared("/look/a", look)
        assert again != address and keys.right_of(again.partition("token=")[2]) == look
