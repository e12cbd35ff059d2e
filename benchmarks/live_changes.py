"""Measure changes of a lab that runs: the library's own part of each, and all of it.

Part of ``scripts/bench``; `measure.py` puts it on the page.

"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import throughput
from live import RULES, by_nft

from playground import Host, Lab, Link, Router, Switch

HOSTS = 12
TIMES = 100

SECTION = """\
## Live changes

What a change of a running lab takes, on the namespaces engine: a star of {hosts} hosts with two
routers. Own is all but the waiting for the agent's answer; the median of {times} times.

| what | own | with the agent's answer | to reach |
|---|---|---|---|
{rows}

Beside it, `nft -f` of all {rules:,} rules: {whole}.
"""


class Clock:
    """The time that a function takes, and how much of it passes in calls of the agent."""

    def __init__(self, client: Any) -> None:
        self._call = client.call
        self._in_agent_s = 0.0
        client.call = self._timed

    def _timed(self, *args: Any, **kwargs: Any) -> Any:
        begin = time.perf_counter()
        try:
            return self._call(*args, **kwargs)
        finally:
            self._in_agent_s += time.perf_counter() - begin

    def measure(self, functions: tuple[Callable[[], object], ...]) -> tuple[float, float]:
        """Return medians of what each takes, called in turns: own seconds, and all."""
        own, whole = [], []
        for number in range(TIMES):
            self._in_agent_s = 0.0
            begin = time.perf_counter()
            functions[number % len(functions)]()
            whole.append(time.perf_counter() - begin)
            own.append(whole[-1] - self._in_agent_s)
        return statistics.median(own), statistics.median(whole)


def section(say: Callable[[str], None]) -> str:
    """Measure all of it and return its part of the page."""
    say("live changes")
    star, r1, r2 = Switch("star"), Router("r1"), Router("r2")
    hosts = [Host(f"h{number + 1}") for number in range(HOSTS)]
    leaf, *_ = [Link(star, host) for host in (*hosts, r1)]
    middle = Link(r1, r2)
    wall = hosts[0].firewall
    for number in range(RULES):
        wall.drop(source=f"10.9.{number // 250}.{number % 250}")
    with Lab(star, engine="namespaces", quiet=True, name="bench-changes") as lab:
        clock = Clock(lab._state.agent())
        told: list[Any] = []
        changes: dict[tuple[str, str], tuple[Callable[[], object], ...]] = {
            ("`link.down()` and `up()` at a switch", "own 0.2 ms"): (leaf.down, leaf.up),
            ("the same between two routers", "own 0.2 ms"): (middle.down, middle.up),
            ("`link.impair(loss_percent=)`", ""): (
                lambda: leaf.impair(loss_percent=1),
                lambda: leaf.impair(loss_percent=2),
            ),
            ("`switch.change(ageing_s=)`", ""): (
                lambda: star.change(ageing_s=10),
                lambda: star.change(ageing_s=20),
            ),
            (f"a rule more, or less, beside {RULES:,}", "50 ms"): (
                lambda: told.append(wall.accept(port=80)),
                lambda: told.pop().remove(),
            ),
            ("a route more, or less", ""): (
                lambda: told.append(hosts[1].route("10.8.0.0/16", via=r1)),
                lambda: told.pop().remove(),
            ),
        }
        rows = []
        for (what, reach), functions in changes.items():
            own, whole = clock.measure(functions)
            rows.append(f"| {what} | {1000 * own:.3f} ms | {1000 * whole:.2f} ms | {reach} |")
        ruleset = lab.plan().node("h1").ruleset
        with throughput.networks(1) as (kept,):
            by_hand = statistics.median(by_nft(ruleset, kept) for _ in range(5))
    return SECTION.format(
        hosts=HOSTS,
        times=TIMES,
        rules=RULES,
        rows="\n".join(rows),
        whole=f"{1000 * by_hand:.2f} ms",
    )
