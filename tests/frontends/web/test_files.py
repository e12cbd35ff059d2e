"""A file is offered under a name nobody can guess, until its page goes."""

from __future__ import annotations

import pytest

from playground.errors import UnknownName
from playground.frontends.web.files import FileShelf


def test_a_file_is_found_by_its_key_until_it_is_removed() -> None:
    shelf = FileShelf()
    key = shelf.add("a", "x.pcapng", lambda: b"data")
    assert shelf.find(key).source() == b"data"
    shelf.remove(key)
    shelf.remove(key)
    with pytest.raises(UnknownName, match="its page was closed"):
        shelf.find(key)


def test_a_name_of_a_host_stays_one_part_of_the_address() -> None:
    shelf = FileShelf()
    assert shelf.address("k", "../a b?.txt") == "/files/k/..%2Fa%20b%3F.txt"
