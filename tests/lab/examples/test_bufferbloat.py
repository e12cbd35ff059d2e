"""The ready lab of a modem with a long queue: an upload delays all, until the queue is another."""

from __future__ import annotations

from playground.engines.namespaces.engine import NamespacesEngine
from playground.examples import bufferbloat


def test_an_upload_delays_who_talks_until_the_queue_is_short(
    namespaces_engine: NamespacesEngine,
) -> None:
    with bufferbloat(quiet=True, engine=namespaces_engine) as lab:
        line = lab.link("modem", "isp")

        def added_ms() -> float:
            found = lab.rtt_under_load("laptop", "server", direction="up", seconds=2)
            assert found.added_ms is not None
            return found.added_ms

        bloated = added_ms()
        # 200 frames of 1514 bytes are 1.2 s at 2 Mbit/s, and ten are 60 ms.
        assert bloated > 300
        line.queue("pfifo", limit_packets=10)
        assert added_ms() < min(200, bloated / 2)
