"""An examination of a swarm: what its parts say, read."""

from __future__ import annotations

from playground.engines.swarm.examination import read_seen, without_ipsec


def test_machines_are_called_by_their_names() -> None:
    rows = [
        {
            "name": "m1",
            "address": "198.19.0.2",
            "mtu_bytes": 1450,
            "ipsec": False,
            "clock_s": 5.0,
            "reached": {"198.19.0.3": {"small_ms": 0.2, "full_ms": None}},
        },
        {"name": "m2", "address": "198.19.0.3", "error": "timed out"},
    ]
    m1, m2 = read_seen(rows)
    assert (m1.machine, m1.small_ms, m1.full_ms) == ("m1", {"m2": 0.2}, {"m2": None})
    assert (m2.machine, m2.error, m2.small_ms) == ("m2", "timed out", None)
    assert without_ipsec([m1, m2]) == ["m1"]
