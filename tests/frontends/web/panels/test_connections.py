"""Connections as rows: who speaks with whom, and what NAT makes of it."""

from __future__ import annotations

from dataclasses import replace

from playground import Host, Lab, Link, Router
from playground.frontends.web.panels.connections import _COLUMNS, _is_tracking, _row
from playground.operations.nodes.connections import Connection
from tests.frontends.web.panels.panel_views import view_of

SNAT, DNAT = 1 << 4, 1 << 5

PLAIN = Connection(
    "tcp", "10.0.0.2", 40000, "2001:db8::1", 80, "2001:db8::1", 80, "10.0.0.2", 40000, "CLOSE", 9
)


def test_ends_are_written_with_their_ports() -> None:
    row = _row(PLAIN)
    assert (row["from"], row["to"]) == ("10.0.0.2:40000", "[2001:db8::1]:80")
    assert (row["translated_to"], row["state"]) == ("", "CLOSE")
    assert set(row) == set(_COLUMNS)
    assert _row(replace(PLAIN, source_port=None))["from"] == "10.0.0.2"


def test_what_the_far_side_sees_is_said_where_nat_changes_it() -> None:
    out = replace(PLAIN, answers_to="203.0.113.1", answers_to_port=1024, status=SNAT)
    assert _row(out)["translated_to"] == "203.0.113.1:1024 → [2001:db8::1]:80"
    forwarded = replace(PLAIN, answers_from="10.9.9.9", answers_from_port=8080, status=DNAT)
    assert _row(forwarded)["translated_to"] == "10.0.0.2:40000 → 10.9.9.9:8080"


def test_only_a_node_with_rules_tracks_connections() -> None:
    modem, h1 = Router("modem"), Host("h1")
    Link(modem, h1)
    modem.masquerade(Link(modem, Host("www")))
    with view_of(Lab(modem, name="tracking")) as view:
        assert [_is_tracking(view, name) for name in ("modem", "h1")] == [True, False]
