"""Counters of rules that move between two looks."""

from __future__ import annotations

from playground.frontends.web.content.firewall_rows import MovingCounters
from playground.operations.nodes.firewall_counters import RuleRow


def rule(number: int | None, packets: int | None) -> RuleRow:
    return RuleRow(number, "forward", "drop", "tcp", packets, packets)


def new(counters: MovingCounters, *rules: RuleRow) -> list[int]:
    return [row["new_packets"] for row in counters.rows(rules)]


def test_at_the_first_look_nothing_is_new() -> None:
    assert new(MovingCounters(), rule(1, 7)) == [0]


def test_later_what_came_since() -> None:
    counters = MovingCounters()
    new(counters, rule(1, 7), rule(None, 3))
    assert new(counters, rule(1, 9), rule(None, 3), rule(2, 1)) == [2, 0, 1]


def test_rules_loaded_anew_count_from_nothing() -> None:
    counters = MovingCounters()
    new(counters, rule(1, 100))
    assert new(counters, rule(1, 4)) == [4]


def test_a_rule_that_counts_nothing() -> None:
    counters = MovingCounters()
    new(counters, rule(1, None))
    assert new(counters, rule(1, None)) == [0]
