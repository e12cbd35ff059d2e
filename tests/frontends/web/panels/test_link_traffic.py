"""Traffic of a link: rates between two looks, counters as rows."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nicegui import ui

from playground.display.tables import Table
from playground.frontends.web.panels import link_traffic
from playground.frontends.web.view import LabView
from playground.operations.links.link import InterfaceStatistics
from tests.frontends.web.panels.panel_stubs import StubView, slot, texts


def test_rates_come_with_the_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    zero: dict[str, Any] = dict.fromkeys(InterfaceStatistics.__dataclass_fields__, 0)
    sent = [0]

    def statistics() -> Table[InterfaceStatistics]:
        about: dict[str, Any] = {"interface": "eth0", "up": True, "carrier": True}
        counted = {"tx_bytes": sent[0], "tx_packets": sent[0] // 1000}
        return Table(
            InterfaceStatistics(**zero | about | {"node": node} | (counted if node == "a" else {}))
            for node in ("a", "b")
        )

    ends = [SimpleNamespace(node=SimpleNamespace(name=name)) for name in ("a", "b")]
    link: Any = SimpleNamespace(ends=ends, statistics=statistics)
    view = StubView(link)
    with slot() as client:
        link_traffic.build(cast("LabView", view), "a:eth0")
        view.look()
        now_s[0], sent[0] = 101.0, 125_000
        view.look()
        assert any("from a: 1.000 Mbit/s, 125 packets/s" in one for one in texts(client))
        [table] = [one for one in client.elements.values() if isinstance(one, ui.table)]
        assert [column["label"] for column in table.columns] == ["counter", "a", "b"]
        (sent_bytes,) = [row for row in table.rows if row["counter"] == "tx (bytes)"]
        assert (sent_bytes["one"], sent_bytes["other"]) == (125_000, 0)
