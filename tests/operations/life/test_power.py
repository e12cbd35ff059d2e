"""Words about the power of a node."""

from __future__ import annotations

from playground import Host
from playground.operations.life.power import start_words


def test_a_node_that_is_only_declared_neither_runs_nor_is_stopped() -> None:
    h1 = Host("h1")
    assert not h1.is_running
    assert not h1.is_stopped


def test_advice_names_the_node_as_its_lab_does() -> None:
    assert start_words("www.example.com") == 'lab["www.example.com"].start()'
