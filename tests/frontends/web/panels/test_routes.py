"""Routes as rows: the next hop, or what becomes of a packet instead."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from playground.frontends.web.panels.routes import _COLUMNS, _row
from playground.planning.route_rows import Route


@pytest.mark.parametrize(
    ("via", "kind", "shown"),
    [
        ("10.0.1.2", "unicast", "10.0.1.2"),
        (None, "unicast", "None"),
        (None, "blackhole", "blackhole"),
        (None, "unreachable", "unreachable"),
    ],
)
def test_a_route_says_where_it_leads_or_that_it_leads_nowhere(
    via: str | None, kind: str, shown: str
) -> None:
    hop = None if via is None else ip_address(via)
    row = _row(Route(ip_network("10.9.0.0/16"), hop, "eth0", 20, "isis", kind, "main"))
    assert (str(row["via"]), row["protocol"]) == (shown, "isis")
    assert set(row) == set(_COLUMNS)
