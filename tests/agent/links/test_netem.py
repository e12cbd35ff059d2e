"""Netem: what it is told is what is read back."""

from __future__ import annotations

from typing import Any

import pytest

from playground.agent.links.netem import (
    netem_options,
    percent,
    read_netem,
    share,
)

PLAIN: dict[str, Any] = {
    "delay_ms": 0.0,
    "jitter_ms": 0.0,
    "loss_percent": 0.0,
    "duplicate_percent": 0.0,
    "corrupt_percent": 0.0,
    "reorder_percent": 0.0,
    "queue_packets": 1000,
    "bursts": None,
    "rate_mbit": None,
}


@pytest.mark.parametrize("wanted", [0, 0.001, 1, 12.5, 33.333, 99.9, 100])
def test_a_percentage_comes_back_as_it_was_written(wanted: float) -> None:
    assert percent(share(wanted)) == wanted
    assert 0 <= share(wanted) < 2**32


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"delay_ms": 50.0, "jitter_ms": 10.0},
        {"delay_ms": 300_000.0},  # more than 32 bits of the old field hold
        {"loss_percent": 1.5, "duplicate_percent": 2.0, "corrupt_percent": 3.0},
        {"delay_ms": 10.0, "reorder_percent": 25.0},
        {"queue_packets": 20},
        {"rate_mbit": 100.0},
        {"rate_mbit": 100_000.0},  # 12.5 GB/s
    ],
)
def test_netem_is_read_as_it_was_told(wanted: dict[str, Any]) -> None:
    told = {**PLAIN, **wanted}
    expected = {name: told[name] for name in told if name not in ("bursts", "rate_mbit")}
    if told["rate_mbit"]:
        expected["rate_mbit"] = told["rate_mbit"]
    assert read_netem(netem_options(told)) == expected


def test_losses_in_bursts_are_told_by_their_mean_and_correlation() -> None:
    # A burst begins with 1 of 100 frames, and ends with 25 of 100.
    read = read_netem(netem_options({**PLAIN, "bursts": (1.0, 25.0)}))
    assert read["loss_percent"] == pytest.approx(100 / 26, abs=1e-4)
    assert read["loss_correlation"] == pytest.approx(74)
