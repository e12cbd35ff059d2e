"""Rates are what counters gained in the time between two looks."""

from __future__ import annotations

import dataclasses
import json

from playground.frontends.web.content.traffic_rates import RateHistory, rates
from playground.operations.links.link import InterfaceStatistics

QUIET = InterfaceStatistics("h1", "eth0", True, True, 1500, "02::1", 0, 0, 0, 0, 0, 0, 0, 0)


def end(node: str, **counters: int) -> InterfaceStatistics:
    return dataclasses.replace(QUIET, node=node, **counters)


def test_a_rate_is_bits_by_seconds_of_each_sender() -> None:
    before = [end("h1"), end("h2", tx_bytes=500)]
    now = [end("h1", tx_bytes=250_000, tx_packets=100), end("h2", tx_bytes=500)]
    first, second = rates(before, now, 2.0)
    assert (first.sender, first.mbit_per_s, first.packets_per_s) == ("h1", 1.0, 50.0)
    assert (second.sender, second.mbit_per_s) == ("h2", 0.0)


def test_counters_of_an_interface_made_anew_begin_at_nothing() -> None:
    before = [end("h1", tx_bytes=10**9, tx_packets=10**6)]
    [rate] = rates(before, [end("h1", tx_bytes=125_000, tx_packets=10)], 1.0)
    assert rate.mbit_per_s == 1.0


def test_without_time_between_there_is_no_rate() -> None:
    assert rates([end("h1")], [end("h1", tx_bytes=9)], 0.0) == []


def test_a_history_keeps_two_minutes_and_counts_back_from_now() -> None:
    history = RateHistory(["h1", "h2"])
    for second in range(300):
        history.add(float(second), [end("h1", tx_bytes=second * 125_000), end("h2")])
    first, second_line = history.lines()
    assert len(history) == len(first) == len(second_line) == 120
    assert first[-1] == [0.0, 1.0]
    assert first[0][0] == -119.0


def test_a_chart_draws_names_of_nodes_as_text() -> None:
    history = RateHistory(["<img onerror>", "h2"])
    assert history.lines() == [[], []]
    chart = history.chart()
    assert chart["tooltip"]["renderMode"] == "richText"
    assert [line["name"] for line in chart["series"]] == ["from <img onerror>", "from h2"]
    assert json.loads(json.dumps(chart)) == chart
