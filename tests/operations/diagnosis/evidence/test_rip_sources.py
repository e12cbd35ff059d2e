"""Routers that a RIP router has heard, as FRR 10.3 writes them."""

from __future__ import annotations

import pytest

from playground.operations.diagnosis.evidence.rip_sources import RipSource, read_sources

RIP = """Routing Protocol is "rip"
  Sending updates every 5 seconds with +/-50%, next due in 2 seconds
  Routing for Networks:
    eth0
  Routing Information Sources:
    Gateway          BadPackets BadRoutes  Distance Last Update
    10.0.1.2                  0         0       120    00:00:03
    10.0.1.3                  7         1       120    01:00:00
  Distance: (default is 120)
"""

RIPNG = """Routing Protocol is "RIPng"
  Routing Information Sources:
    Gateway          BadPackets BadRoutes  Distance Last Update
    fe80::35:25ff:fead:bd1
                               0         2        120      00:00:09
"""


def test_each_router_has_a_row_with_what_was_wrong_in_its_updates() -> None:
    assert read_sources(RIP) == (
        RipSource("10.0.1.2", "00:00:03", 0, 0),
        RipSource("10.0.1.3", "01:00:00", 7, 1),
    )
    assert read_sources(RIPNG) == (RipSource("fe80::35:25ff:fead:bd1", "00:00:09", 0, 2),)


@pytest.mark.parametrize("status", [None, "", "% Unknown command", RIP.partition("    10.")[0]])
def test_who_has_heard_nobody_has_no_rows(status: str | None) -> None:
    assert read_sources(status) == ()


def test_a_router_that_writes_on_and_on_fills_no_memory() -> None:
    row = "    10.0.1.2                  0         0       120    00:00:03\n"
    assert len(read_sources("  Routing Information Sources:\n" + row * 5000)) == 1000
    for flood in (" 1", "\n", " ", "\n 1"):
        assert read_sources("  Routing Information Sources:\n" + flood * 500_000) == ()
