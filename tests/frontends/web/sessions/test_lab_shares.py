"""One lab leaves room for the others."""

from __future__ import annotations

import pytest

from playground.errors import PlaygroundError
from playground.frontends.web.sessions.lab_shares import LabShares


def test_a_lab_takes_half_and_another_the_rest() -> None:
    shares = LabShares("files are fetched", 4)
    for lab in ("a", "a", "b", "b"):
        shares.take(lab)
    for lab, words in (("a", r"2 files are fetched of this lab"), ("c", r"4 in all")):
        with pytest.raises(PlaygroundError, match=words):
            shares.take(lab)
    shares.give_back("a")
    shares.take("c")
    assert (shares.of("a"), shares.of("c"), shares.taken) == (1, 1, 4)
