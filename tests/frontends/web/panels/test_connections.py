"""Connections as rows: who began, who answers, and what NAT makes of it."""

from __future__ import annotations

from playground.frontends.web.panels.connections import _row
from playground.operations.nodes.connections import Connection


def test_ends_are_written_with_their_ports() -> None:
    there = Connection(
        "tcp", "10.0.0.2", 40000, "2001:db8::1", 80, "10.9.9.9", 80, "10.1.1.1", None, "CLOSE", 9,
        status=1 << 4,
    )  # fmt: skip
    row = _row(there)
    assert (row["from"], row["to"]) == ("10.0.0.2:40000", "[2001:db8::1]:80")
    assert (row["answers_to"], row["state"]) == ("10.1.1.1", "CLOSE, translated")
