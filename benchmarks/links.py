"""Measure links that go down and come up, and what impairs them.

Part of ``scripts/bench``; `measure.py` puts it on the page.

"""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import throughput

from playground import Host, Lab, Link, Switch
from playground.engines.namespaces.labels import find_nodes

TURNS = 100
PINGS = 100

SECTION = """\
## Links

`link.down()` and `link.up()` after it, on the namespaces engine, median of {turns}. The
library's own processor time is that of all its threads; the rest is the agent's and the kernel's.

| link between | own processor time | whole time | to reach |
|---|---|---|---|
{cables}

What `link.impair(...)` was told for one direction, and what {pings} pings and one connection
for {seconds:g} s then measured.

| impaired by | told | added to the median ping | 90 % of the pings below | TCP |
|---|---|---|---|---|
{impairments}
"""

TOLD: tuple[dict[str, Any], ...] = (
    {},
    {"delay_ms": 1},
    {"delay_ms": 10},
    {"delay_ms": 50},
    {"rate_mbit": 10},
    {"rate_mbit": 100},
    {"rate_mbit": 10, "delay_ms": 20},
    {"loss_percent": 1},
    {"delay_ms": 10, "loss_percent": 1},
)


def section(say: Callable[[str], None]) -> str:
    """Measure all of it and return its part of the page."""
    say("links")
    return SECTION.format(
        turns=TURNS,
        pings=PINGS,
        seconds=throughput.SECONDS,
        cables="\n".join(cables()),
        impairments="\n".join(impairments()),
    )


def cables() -> Iterator[str]:
    """Pull cables out and plug them in again."""
    lan, h1, h2 = Switch("lan"), Host("h1"), Host("h2")
    cable, direct = Link(lan, h1), Link(h1, h2)
    with Lab(lan, name=f"bench-links-{os.getpid()}", engine="namespaces", quiet=True):
        for what, link in (("a host and a switch", cable), ("two hosts", direct)):
            own, whole = [], []
            for _ in range(TURNS):
                begin, used = time.perf_counter(), time.process_time()
                link.down()
                link.up()
                own.append(time.process_time() - used)
                whole.append(time.perf_counter() - begin)
            cells = [f"{1000 * statistics.median(times):.2f} ms" for times in (own, whole)]
            yield f"| {what} | {' | '.join(cells)} | 1 ms |"


def impairments() -> Iterator[str]:
    """Impair one direction of a link in every way told."""
    h1, h2 = Host("h1"), Host("h2")
    link = Link(h1, h2)
    with Lab(h1, name=f"bench-impaired-{os.getpid()}", engine="namespaces", quiet=True) as lab:
        pids = {name: numbers[0] for name, numbers in find_nodes(lab.id).items()}
        address = str(lab.plan().node("h2").interfaces[0].addresses[0].ip)
        plain = 0.0
        for told in TOLD:
            link.impair(**told, toward=h2)
            by = ", ".join(way for row in link.impairments for way in row.by) or "nothing"
            times = sorted(pings(h1, address))
            middle, most = statistics.median(times), times[len(times) * 9 // 10]
            plain = plain or middle
            rate = 1000 * throughput.rate_gbit(pids["h1"], pids["h2"], address)
            words = ", ".join(f"{name}={value}" for name, value in told.items())
            cells = [by, f"`{words}`", f"{middle - plain:.2f} ms", f"{most:.2f} ms"]
            yield f"| {' | '.join(cells)} | {rate:,.0f} Mbit/s |".replace("``", "")


def pings(host: Host, address: str) -> list[float]:
    """Return how long each answer took, in milliseconds."""
    said = host.run(["ping", "-n", "-c", str(PINGS), "-i", "0.02", address], check=False).stdout
    found = re.findall(r"time=([\d.]+)", said)
    return [float(text) for text in found]
