"""Measure what is done to a lab that runs, beside the kernel's own tools for it.

Part of ``scripts/bench``; `measure.py` puts it on the page.

"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator

import throughput

from playground import Host, Lab, Link
from playground.examples import miniature_internet

RULES = 1000

SECTION = """\
## Live

What is told to a lab that runs, on the namespaces engine.

| what / against what | playground | the other side | ratio | to reach |
|---|---|---|---|---|
{rows}
"""


def section(row: Callable[..., object], runs: int, say: Callable[[str], None]) -> str:
    """Measure all of it and return its part of the page; `row` makes a line of the table."""
    say("rulesets")
    rows = [str(item) for item in firewall(row, runs)]
    if os.geteuid() == 0:
        say("explanations")
        rows += [str(item) for item in explanations(row, runs)]
    return SECTION.format(rows="\n".join(rows))


def firewall(row: Callable[..., object], runs: int) -> Iterator[object]:
    """Replace a thousand rules by others, against nft itself; return the line of both."""
    ours, theirs = replaced(runs)
    what = f"{RULES:,} addresses to drop replaced by others / `nft -f`"
    yield row(what, ours, theirs, "50 ms")


def replaced(runs: int) -> tuple[list[float], list[float]]:
    """Return the seconds that a thousand rules take by `firewall.together`, and by nft(8).

    Both replace the rules of the turn before, each in a network that stays.

    """
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    ours, theirs = [], []
    with throughput.networks(1) as (kept,), Lab(h1, engine="namespaces", quiet=True) as lab:
        for turn in range(runs + 1):
            with h1.firewall.together() as rules:
                rules.clear()
                for number in range(RULES):
                    rules.drop(source=f"10.{turn}.{number // 250}.{number % 250}")
                # To declare something is one thing, to make it hold another.
                begin = time.perf_counter()
            ours.append(time.perf_counter() - begin)
            theirs.append(by_nft(lab.plan().node("h1").ruleset, kept))
    # The first has nothing to replace.
    return ours[1:], theirs[1:]


def explanations(row: Callable[..., object], runs: int) -> Iterator[object]:
    """Explain a packet that arrives, and one that is lost, against a traceroute of the same."""
    with miniature_internet(engine="namespaces", quiet=True, name="bench-explain") as lab:
        h1, www = lab.node("h1"), lab.node("www")
        for what, block in (("a way of six machines", False), ("where it is blocked", True)):
            if block:
                lab.node("backbone").firewall.drop(port=80)
            ours, theirs = [], []
            for _ in range(runs + 1):
                begin = time.perf_counter()
                found = lab.explain(h1, www, port=80)
                ours.append(time.perf_counter() - begin)
                assert found.ok is not block, found
                begin = time.perf_counter()
                h1.traceroute(www, method="tcp", timeout_s=0.3)
                theirs.append(time.perf_counter() - begin)
            yield row(
                f"`lab.explain` on the miniature Internet, {what} / `traceroute -T`",
                ours[1:],
                theirs[1:],
                "",
            )


def by_nft(text: str, kept: int) -> float:
    """Load a ruleset with nft into the network of a process; return how long it took.

    In a host it would not do: to the kernel a host's root is nobody who may send messages that
    are longer than others, and nft sends a ruleset as one.

    """
    begin = time.perf_counter()
    command = ["nsenter", "--net", "-t", str(kept), "nft", "-f", "-"]
    subprocess.run(command, input=text, text=True, check=True)
    return time.perf_counter() - begin
