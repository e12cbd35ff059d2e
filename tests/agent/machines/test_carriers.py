"""Carriers of links that cross machines."""

from __future__ import annotations

from typing import Any

from playground.agent.machines.carriers import CrossedLink, CrossedLinks

A, B = 3, 4


def row(*, up: bool = True, carrier: bool = True) -> dict[str, Any]:
    return {"interface": "x000abc", "up": up, "carrier": carrier}


def heard(a: dict[str, Any], b: dict[str, Any]) -> CrossedLink:
    link = CrossedLink((A, B))
    link.hear(A, a)
    link.hear(B, b)
    return link


def test_both_ends_that_are_up_stay_so() -> None:
    assert heard(row(), row()).wanted() == {}


def test_where_one_end_loses_its_carrier_the_other_is_set_down() -> None:
    assert heard(row(carrier=False), row()).wanted() == {B: False}


def test_and_up_again_when_it_comes_back() -> None:
    link = heard(row(carrier=False), row())
    link.hear(B, row(up=False, carrier=False))
    assert link.wanted() == {}
    link.hear(A, row())
    assert link.wanted() == {B: True}


def test_of_two_ends_without_a_carrier_neither_is_set_down() -> None:
    # Else neither could be seen to come back.
    assert heard(row(carrier=False), row(carrier=False)).wanted() == {}


def test_an_end_that_went_while_it_was_set_down_is_seen_later() -> None:
    link = heard(row(carrier=False), row())
    link.hear(B, row(up=False, carrier=False))
    link.hear(A, row())
    link.hear(B, row(carrier=False))
    assert link.wanted() == {A: False}


def test_changes_are_asked_for_once_and_by_machine() -> None:
    links = CrossedLinks()
    links.links["x000abc"] = heard(row(carrier=False), row())
    assert links.machines() == {A, B}
    assert links.changes() == {B: {"up": [], "down": ["x000abc"]}}
    assert links.changes() == {}


def test_what_is_no_end_of_a_link_is_passed_over() -> None:
    links = CrossedLinks()
    links.hear(A, row())
    links.links["x000abc"] = CrossedLink((A, B))
    links.hear(99, row(carrier=False))
    assert links.changes() == {}
