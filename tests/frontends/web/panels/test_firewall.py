"""A firewall's rules with counters that move, and its ruleset where somebody asks for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from nicegui import ui

from playground.frontends.web.content.firewall_rows import COLUMNS
from playground.frontends.web.panels import firewall
from playground.frontends.web.view import LabView
from playground.operations.nodes.firewall_counters import RuleRow
from tests.frontends.web.panels.panel_stubs import StubView, slot


def test_rules_are_rows_and_the_ruleset_is_not_read_unasked() -> None:
    packets = [7]

    def rules() -> list[RuleRow]:
        return [RuleRow(1, "forward", "drop", "tcp dport 25", packets[0], 420, "<b>no mail")]

    def ruleset() -> str:
        raise AssertionError("nobody has opened it")

    node: Any = SimpleNamespace(firewall=SimpleNamespace(rules=rules, ruleset=ruleset))
    view = StubView(node)
    with slot() as client:
        firewall.build(cast("LabView", view), "modem")
        view.look()
        [table] = [one for one in client.elements.values() if isinstance(one, ui.table)]
        [row] = table.rows
        assert (row["packets"], row["new_packets"], row["comment"]) == (7, 0, "<b>no mail")
        assert len(table.columns) == len(COLUMNS)
