"""The live page used for as long as one likes, with its memory watched: `scripts/watch-page`.

Two browsers look at the Internet in miniature, of which one may only look; a third tab has a lab
that dies half way through.  `watching_hand` clicks whatever can be clicked, in an order that a
seed decides, while links go down and hosts talk.  Each minute is a row: memory of the program
and of both pages, threads, open files, processor.  It fails if any of them goes on growing, or a
page complains.

"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from playground import Host, Lab, Link, Router, Switch
from playground.errors import PlaygroundError
from playground.examples import miniature_internet
from tests.frontends.web.watching_hand import Hand

# Of all actions.
_MOST_FAILED = 0.05

# What may be left in the end beyond what was there after the first quarter: caches fill.
_MOST_GROWTH = {
    "program_mb": (1.3, 60.0),
    "page_mb": (1.6, 30.0),
    "other_page_mb": (1.6, 30.0),
    "elements": (1.5, 2_000),
    "threads": (1.2, 10),
    "files": (1.2, 20),
}


@dataclass(frozen=True)
class Measured:
    """One row: of this program, and of the pages that it serves."""

    minutes: float
    actions: int
    program_mb: float
    page_mb: float
    other_page_mb: float
    elements: int
    threads: int
    files: int
    processor_percent: float


def office(hosts: int, name: str) -> Lab:
    """Return a lab of so many hosts on four switches in a ring, behind a router with a server."""
    switches = [Switch(f"s{number}", stp=True, forward_delay_s=2) for number in range(4)]
    for one, other in zip(switches, switches[1:] + switches[:1], strict=True):
        Link(one, other)
    modem, www = Router("modem"), Host("www", services=["http"])
    Link(switches[0], modem)
    modem.masquerade(Link(modem, www, subnet="203.0.113.0/24"))
    for number in range(1, hosts + 1):
        Link(switches[number % 4], Host(f"h{number}"))
    return Lab(modem, name=name, engine="namespaces", quiet=True)


def measured(began_s: float, spent_s: float, hand: Hand, tabs: Sequence[Any]) -> Measured:
    """Measure now; ``spent_s`` is what this program had taken of a processor when it began."""
    took_s = time.monotonic() - began_s
    heaps = [_heap_mb(tab) for tab in tabs]
    return Measured(
        minutes=round(took_s / 60, 1),
        actions=hand.done.total(),
        program_mb=round(_resident_mb(), 1),
        page_mb=heaps[0],
        other_page_mb=heaps[1],
        elements=tabs[0].page.evaluate("document.querySelectorAll('*').length"),
        threads=len(os.listdir("/proc/self/task")),
        files=len(os.listdir("/proc/self/fd")),
        processor_percent=round(100 * (time.process_time() - spent_s) / took_s, 1),
    )


def _resident_mb() -> float:
    # proc_pid_statm(5): the second is resident pages.
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _heap_mb(tab: Any) -> float:
    """Return what a page holds, after its garbage was collected."""
    session = tab.context.new_cdp_session(tab.page)
    session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    session.detach()
    return round(usage["usedSize"] / 1e6, 1)


def growth(rows: Sequence[Measured]) -> Iterator[str]:
    """Yield what has grown from the second quarter to the last by more than it may.

    >>> def row(mb): return Measured(0, 0, mb, 1, 1, 1, 1, 1, 1)
    >>> [*growth([row(100), row(150), row(150), row(152)])]
    []
    >>> [*growth([row(100), row(150), row(300), row(450)])]
    ['program_mb grew from 150 to 450']

    """
    quarter = max(len(rows) // 4, 1)
    for field in fields(Measured):
        if field.name not in _MOST_GROWTH or len(rows) < 4:
            continue
        values = [getattr(row, field.name) for row in rows]
        early = statistics.median(values[quarter : 2 * quarter])
        late = statistics.median(values[-quarter:])
        share, more = _MOST_GROWTH[field.name]
        if late > early * share and late > early + more:
            yield f"{field.name} grew from {early:g} to {late:g}"


def kill_agent(lab: Lab) -> None:
    """Let a lab die, as where the machine runs out of memory."""
    from tests.engines.namespaces.test_keeper import agent

    os.kill(agent(lab), signal.SIGKILL)


def _opened(browser: Any, address: str) -> Any:
    """Open a page; on a machine with much to do it may take more than one try."""
    from playwright.sync_api import TimeoutError as TooSlow

    from tests.frontends.web.browser_tab import Tab

    for _ in range(3):
        with suppress(TooSlow):
            return Tab(browser, address)
    raise SystemExit(f"watch-page: {address} does not show its picture within three times 20 s")


def _stop(lab: Lab) -> None:
    with suppress(PlaygroundError):  # it has died
        lab.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Use the page for as long as was asked; return 1 where something grew or failed."""
    parser = argparse.ArgumentParser(prog="scripts/watch-page", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--hosts", type=int, help="an office of so many, not a small Internet")
    parser.add_argument("--row-s", type=float, default=60, help="seconds between two rows")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("watch-page: chromium is needed: apt-get install chromium")
    from playground.frontends.web.server import open_page
    from tests.frontends.web.chromium import ARGUMENTS, chromium

    with ExitStack() as undo:
        if options.hosts:
            lab = office(options.hosts, "watched")
        else:
            lab = miniature_internet(name="watched", engine="namespaces", quiet=True)
        undo.enter_context(lab)
        dying = office(2, "dying").start()
        undo.callback(_stop, dying)
        page, dying_page = open_page(lab), open_page(dying)
        browser = undo.enter_context(chromium())
        other = browser.browser_type.launch(executable_path=path, args=list(ARGUMENTS))
        undo.callback(other.close)
        tabs = [_opened(browser, page.address), _opened(other, page.look_address)]
        third = _opened(other, dying_page.address)
        hand = Hand(lab, tabs[0], random.Random(options.seed))
        began_s, spent_s = time.monotonic(), time.process_time()
        rows: list[Measured] = []
        wrong: list[str] = []
        dead = False
        while (took_s := time.monotonic() - began_s) < options.minutes * 60:
            hand.act()
            if took_s >= len(rows) * options.row_s:
                rows.append(measured(began_s, spent_s, hand, tabs))
                print(rows[-1], flush=True)
            if not dead and took_s > options.minutes * 30:
                dead = True
                kill_agent(dying)
                try:
                    third.wait_for("lab", "data-state", "gone|rests")
                except Exception:
                    wrong.append("the page of a lab that has died does not say so")
        complaints = [word for tab in (*tabs, third) for word in tab.complaints]
        wrong += [*growth(rows), *complaints[:20]]
        # On a machine with much to do some clicks come too late.
        if len(hand.failed) > _MOST_FAILED * hand.done.total():
            wrong += hand.failed[:20]
        print(
            f"{hand.done.total()} actions, and {len(hand.failed)} that failed:",
            *(f"{number} {name}" for name, number in hand.done.most_common()),
            *hand.failed[:20],
            sep="\n  ",
        )
        print("\n".join(wrong) or "nothing grew, and nothing complained")
        return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
