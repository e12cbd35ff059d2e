"""Queues as they are declared: which settings each kind takes, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.kernel.features import FEATURES
from playground.model.queues.discipline import KINDS, Queue


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_words_for_tc_and_the_settings_that_it_takes(kind: str) -> None:
    queue = Queue(kind)
    assert queue.words(10).startswith(f"{kind} ")
    assert queue.settings() == dict(KINDS[kind].settings)
    assert all(name in FEATURES for name in queue.needs)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"kind": "pfifo", "limit_packets": 20}, "pfifo limit 20"),
        (
            {"kind": "pie", "target_ms": 20, "ecn": True},
            "pie limit 1000 target 20ms ecn",
        ),
        (
            {"kind": "red", "probability_percent": 2},
            "red limit 240000 min 30000 max 90000 avpkt 1000 burst 51 bandwidth 8000kbit "
            "probability 0.02",
        ),
        (
            {"kind": "cake", "diffserv": "besteffort"},
            "cake bandwidth 8000kbit besteffort rtt 100ms",
        ),
    ],
    ids=lambda said: said["kind"] if isinstance(said, dict) else "",
)
def test_a_queue_is_said_as_tc_says_it(said: dict[str, Any], words: str) -> None:
    assert Queue(**said).words(8) == words


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"kind": "fifo"}, '\'fifo\' is not known; use "pfifo", "fq_codel"'),
        ({"kind": ["pfifo"]}, "is not known"),
        ({"kind": "pfifo", "target_ms": 5}, "has no target_ms; it takes limit_packets"),
        ({"kind": "pfifo", "limit_packets": 0}, "whole number of packets from 1 to 1,000,000"),
        ({"kind": "pfifo", "limit_packets": 2.5}, "limit_packets=2.5 cannot be"),
        ({"kind": "sfq", "limit_packets": 70_000}, "from 1 to 65,407"),
        ({"kind": "pie", "ecn": 1}, "neither True nor False"),
        ({"kind": "cake", "diffserv": "gold"}, 'use "besteffort", "diffserv3"'),
        ({"kind": "red", "min_bytes": 90_000}, "in this order"),
        ({"kind": "fq_codel", "target_ms": 100}, "give a shorter target"),
    ],
    ids=lambda said: "-".join(said) if isinstance(said, dict) else "",
)
def test_what_cannot_be_is_refused_in_a_sentence(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TopologyError, match=sentence.replace("(", r"\(")):
        Queue(**said)
