"""Why a packet does not arrive, asked on a node's panel."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from playground.display.tables import Table
from playground.frontends.web.panels import node_explain
from playground.frontends.web.view import LabView
from playground.operations.diagnosis.evidence.explanation import Explanation
from tests.frontends.web.panels.panel_stubs import StubView, slot, texts


@pytest.mark.parametrize(
    ("cause", "sentence", "said"),
    [
        ("", "it was answered", "✓ it arrives: it was answered"),
        ("dropped", "a rule\x1b[2J drops it", "✗ dropped at www: a rule\\x1b[2J drops it"),
    ],
)
def test_the_verdict_has_its_reason(cause: str, sentence: str, said: str) -> None:
    found = Explanation("h1 to www", "www", cause, sentence, "", ("h1",), (), Table([]))
    assert node_explain.words(found) == said


def test_nodes_are_offered_and_switches_are_not_and_who_looks_is_told() -> None:
    lab = SimpleNamespace(nodes=[SimpleNamespace(name=name) for name in ("h1", "switch", "www")])
    with slot() as client:
        view = StubView(may_change=False, lab=lab)
        node_explain.build(cast("LabView", view), "h1")
        [field] = [
            element
            for element in client.elements.values()
            if str(element._props.get("label", "")).startswith("To (")
        ]
        assert field._props["_autocomplete"] == ["h1", "www"]
        assert any("To look only" in one for one in texts(client))
