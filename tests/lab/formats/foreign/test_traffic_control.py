"""Queueing disciplines that a script adds, as impairments of links."""

from __future__ import annotations

from typing import Any

import pytest

from playground.lab.formats.foreign.traffic_control import understand_qdisc
from playground.model.impairment import Impairment


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("netem delay 100ms loss 50%", {"delay_ms": 100, "loss_percent": 50}),
        (
            "handle 1: netem delay 10ms 5ms 25% distribution normal",
            {"delay_ms": 10, "jitter_ms": 5, "distribution": "normal"},
        ),
        ("netem delay 0.2s limit 50", {"delay_ms": 200, "queue_packets": 50}),
        ("netem delay 1500", {"delay_ms": 1.5}),
        ("netem loss random 1.5% 20%", {"loss_percent": 1.5, "loss_correlation": 20}),
        ("netem rate 2mbit duplicate 1%", {"rate_mbit": 2, "duplicate_percent": 1}),
        ("tbf rate 256kbit buffer 2kb latency 10ms", {"rate_mbit": 0.256}),
        ("tbf rate 1MBps burst 32kbit limit 3000", {"rate_mbit": 8}),
    ],
)
def test_what_tc_says_is_an_impairment(line: str, said: dict[str, Any]) -> None:
    assert understand_qdisc(f"qdisc add dev eth0 root {line}".split()) == ("eth0", said)
    assert Impairment(**said)


@pytest.mark.parametrize(
    "line",
    [
        "qdisc add dev eth0 root htb default 1",
        "qdisc add dev eth0 parent 1:1 netem delay 1ms",
        "qdisc del dev eth0 root",
        "qdisc add dev eth0 root netem slot 1ms",
        "qdisc add dev eth0 root netem delay",
        "qdisc add dev eth0 root netem rate fast",
        "qdisc add dev eth0 root netem delay 9999999999ms",
        "class add dev eth0 root netem delay 1ms",
        "qdisc add dev",
        "",
    ],
)
def test_what_says_more_is_left_to_the_shell(line: str) -> None:
    assert understand_qdisc(line.split()) is None
