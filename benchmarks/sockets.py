"""Measure what it takes to have Python's sockets live on a host.

Part of ``scripts/bench``; `measure.py` puts it on the page.

"""

from __future__ import annotations

import socket
import statistics
import time
import urllib.request
from collections.abc import Callable, Sequence

from playground import Host, Lab, Link

SECTION = """\
## Sockets of hosts

With `h1.sockets()`, each the median of {turns}, the first of each left out.

| engine | one socket, made and closed | without a block | a name looked up | a page by urllib | \
by `h1.run` and curl | to reach |
|---|---|---|---|---|---|---|
{rows}
"""

REACH = "5 ms a socket"


def section(engines: Sequence[str], runs: int, say: Callable[[str], None]) -> str:
    """Measure all of it and return its part of the page."""
    turns = 20 * runs
    rows = []
    for engine in engines:
        say(f"sockets of hosts, {engine}")
        times = [f"{1000 * taken:.2f} ms" for taken in measure(engine, turns)]
        rows.append(f"| {engine} | {' | '.join(times)} | {REACH} |")
    return SECTION.format(turns=turns, rows="\n".join(rows))


def measure(engine: str, turns: int) -> list[float]:
    """Return the seconds that each column of the table takes."""
    h1, www = Host("h1"), Host("www", services=["http"])
    Link(h1, www)

    def one() -> None:
        socket.socket().close()

    def look_up() -> None:
        socket.getaddrinfo("www", 80)

    def by_urllib() -> None:
        urllib.request.urlopen("http://www/").read()

    def by_curl() -> None:
        h1.run("curl -s http://www/")

    with Lab(h1, engine=engine, quiet=True):
        with h1.sockets():
            inside = median(one, turns), median(look_up, turns), median(by_urllib, turns)
        return [inside[0], median(one, turns), *inside[1:], median(by_curl, turns)]


def median(work: Callable[[], None], turns: int) -> float:
    times = []
    for _ in range(turns + 1):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])
