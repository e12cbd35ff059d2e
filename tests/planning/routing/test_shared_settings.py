"""Routers of one network agree in some settings, whoever of them says these."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from playground.model.routing.isis import IsisLink
from playground.model.routing.ospf import OspfLink
from playground.planning.addresses.tolerated_faults import Doubts
from playground.planning.routing.shared_settings import agreed, completed

PORT: Any = SimpleNamespace(
    router=SimpleNamespace(name="r2"), segment=SimpleNamespace(name="the lan")
)
WORDS = ("network", "password")


def test_one_router_says_it_for_all() -> None:
    doubts = Doubts(strict=False)
    known = agreed(OspfLink(), OspfLink(password="secret"), WORDS, PORT, doubts)
    known = agreed(known, OspfLink(network="broadcast", cost=7), WORDS, PORT, doubts)
    assert known == OspfLink(network="broadcast", password="secret")
    assert completed(OspfLink(cost=9), known, WORDS).password == "secret"
    assert doubts.said == []


@pytest.mark.parametrize(
    ("known", "said", "words"),
    [
        (OspfLink(network="broadcast"), OspfLink(network="point-to-point"), "OSPF settings"),
        (IsisLink(password="a"), IsisLink(password="b"), r"IS-IS settings (passwords)"),
    ],
    ids=["ospf", "isis"],
)
def test_two_that_differ_are_a_doubt(known: Any, said: Any, words: str) -> None:
    doubts = Doubts(strict=False)
    assert agreed(known, said, WORDS, PORT, doubts) == known
    [sentence] = doubts.said
    assert "router r2 and another router on the lan differ" in sentence
    assert words in sentence and "'a'" not in sentence
