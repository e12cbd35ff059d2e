"""Rows of a link's queues: a class has the counters of its queue, and no queue is told twice."""

from __future__ import annotations

from typing import Any

from playground.model.queues.classes import Classes, TrafficClass
from playground.operations.links.queue_statistics import queue_rows

COUNTED = {"sent_bytes": 0, "sent_packets": 0, "waiting_packets": 0, "waiting_bytes": 0}


def queue(kind: str, handle: int, **counted: int) -> dict[str, Any]:
    settings = {"limit_packets": 7} if kind == "pfifo" else {}
    return {
        "kind": kind,
        "handle": handle,
        "settings": settings,
        "dropped": 0,
        "marked": 0,
        **COUNTED,
        **counted,
    }


def test_a_class_has_its_name_and_the_drops_of_its_queue() -> None:
    answer = {
        "queues": [
            queue("htb", 0x70670000),
            queue("pfifo", 0x80010000, dropped=3),
            queue("clsact", 0xFFFF0000),
        ],
        "classes": [
            {"number": 0x70670010, "leaf": 0x80010000, "settings": {"rate_mbit": 2.0}}
            | {**COUNTED, "sent_packets": 5, "dropped": 0, "marked": 0},
            {"number": 0x70670001, "leaf": 0, "settings": {}},
        ],
    }
    planned = Classes((TrafficClass("rest", 2),))
    whole, rest = queue_rows("h2", planned, answer)
    assert (whole.queue, whole.traffic_class) == ("htb", "")
    assert (rest.queue, rest.traffic_class, rest.sent_packets, rest.dropped) == (
        *("pfifo", "rest", 5, 3),
    )
    assert rest.settings == "rate_mbit=2, limit_packets=7"
    # Of a class that somebody has made by hand the number is known.
    assert [row.traffic_class for row in queue_rows("h2", None, answer)] == ["", "7067:10"]


def test_a_plain_cable_has_no_queue() -> None:
    answer = {"queues": [queue("noqueue", 0)], "classes": []}
    assert [*queue_rows("h2", None, answer)] == []
