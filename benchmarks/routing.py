"""Measure how soon routing protocols have found all ways.

Part of ``scripts/bench``; `measure.py` puts it on the page.

"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from playground import Lab, Router
from playground.examples import ospf_rings
from playground.lab import convergence

SECTION = """\
## Routing protocols

Twenty OSPF routers in two rings (`examples.ospf_rings`), with fast timers. They have converged when
every router's kernel has the cheapest routes to every network; the daemons run when each of them
answers at its terminal.

| engine | start in all | daemons run | converged | healed after a link fails | to reach |
|---|---|---|---|---|---|
{rows}
"""


def section(engines: Sequence[str], runs: int, say: Callable[[str], None]) -> str:
    """Measure it on each engine and return its part of the page."""
    say("routing protocols")
    return SECTION.format(rows="\n".join(_row(engine, runs) for engine in engines))


def _row(engine: str, runs: int) -> str:
    turns = [converge(engine) for _ in range(runs)]
    started, ran, converged, healed = (statistics.median(turn) for turn in zip(*turns, strict=True))
    return (
        f"| {engine} | {started:.2f} s | after {ran:.2f} s | {converged:.2f} s later | "
        f"{healed:.2f} s | 3 s |"
    )


def converge(engine: str, ipv6: bool = False) -> tuple[float, float, float, float]:
    """Start the rings; return the seconds in all, until daemons run, from there, and to heal."""
    waited = []
    wait = convergence.wait_converged

    def timed(*args: Any) -> float:
        begin = time.perf_counter()
        took = wait(*args)
        waited.append((begin, time.perf_counter()))
        return took

    convergence.wait_converged = timed
    try:
        begin = time.perf_counter()
        with ospf_rings(engine=engine, ipv6=ipv6, quiet=True) as lab:
            end = time.perf_counter()
            [(ran, converged)] = waited
            return end - begin, ran - begin, converged - ran, _failure(lab)
    finally:
        convergence.wait_converged = wait


def _failure(lab: Lab) -> float:
    """Return how long a link's failure in the fast ring takes to be gone round."""
    router = lab["in0"]
    assert isinstance(router, Router)
    begin = time.perf_counter()
    router.links[0].down()
    lab.wait_converged()
    return time.perf_counter() - begin
