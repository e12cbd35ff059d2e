"""Samples of queues: what left each between two looks, and what waits."""

from __future__ import annotations

import dataclasses

from playground.operations.links.queue_samples import queue_sample
from playground.operations.links.queue_statistics import QueueStatistics

FIRST = QueueStatistics("h2", "pfifo", "voice", "", 10, 10_000, 1, 0, 0, 0)


def test_a_sample_counts_from_the_one_before() -> None:
    now = dataclasses.replace(
        FIRST, sent_bytes=135_000, dropped=4, marked=2, waiting_packets=7, waiting_bytes=700
    )
    found = queue_sample(1.5, 0.5, now, FIRST)
    assert (found.mbit_per_s, found.dropped, found.marked) == (2.0, 3, 2)
    assert (found.queue_packets, found.queue_bytes) == (7, 700)
    assert found.line == "voice toward h2"


def test_the_first_sample_has_nothing_to_compare_with() -> None:
    found = queue_sample(0, 0, FIRST, FIRST)
    assert (found.mbit_per_s, found.dropped) == (0, 0)
    assert dataclasses.replace(found, traffic_class="").line == "pfifo toward h2"
