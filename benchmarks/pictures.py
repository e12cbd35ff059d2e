"""Measure what it takes to draw a lab.

Part of ``scripts/bench``; `measure.py` puts it on the page.  Nothing is started: a
running lab adds two requests of its agent.

"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from playground import Host, Lab, Link, Router, Switch
from playground.operations.pictures.layout import place
from playground.operations.pictures.svg import draw_svg

SECTION = """\
## Pictures

A campus: a ring of four routers, two switches each, and the hosts. From the declared `Lab` to SVG,
and from the SVG to a file; the first picture of a program waits for imports besides.

| nodes | laid out by | as SVG | of it, the layout | size | to .png | to .pdf |
|---|---|---|---|---|---|---|
{rows}
"""


def section(runs: int, say: Callable[[str], None]) -> str:
    """Measure all of it and return its part of the page."""
    rows = []
    for hosts in (1, 6):
        for by in ("graphviz", "igraph") if shutil.which("dot") else ("igraph",):
            say(f"pictures: {hosts} hosts at each switch, {by}")
            rows.append(measure(hosts, by, runs))
    return SECTION.format(rows="\n".join(rows))


def campus(hosts: int) -> Lab:
    """Declare 12 routers and switches, and 8 times so many hosts."""
    routers = [Router(f"core{number}") for number in range(1, 5)]
    for one, other in pairwise([*routers, routers[0]]):
        Link(one, other)
    for floor in range(8):
        switch = Switch(f"floor{floor + 1}")
        Link(routers[floor // 2], switch)
        for desk in range(1, hosts + 1):
            Link(switch, Host(f"pc{floor + 1}{desk}"))
    return Lab(routers[0], quiet=True)


def measure(hosts: int, by: str, runs: int) -> str:
    """Return one row."""
    lab = campus(hosts)
    place(lab.picture().diagram, by)  # imports what it needs
    drawn, laid_out = [], []
    for _ in range(runs):
        begin = time.perf_counter()
        diagram = lab.picture().diagram
        described = time.perf_counter()
        layout = place(diagram, by)
        laid_out.append(time.perf_counter() - described)
        svg = draw_svg(diagram, layout)
        drawn.append(time.perf_counter() - begin)
    converted = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("png", "pdf"):
            picture = lab.picture()
            picture.layout  # noqa: B018 - not what is measured
            begin = time.perf_counter()
            picture.save(Path(folder, f"net.{kind}"))
            converted.append(time.perf_counter() - begin)
    cells = [
        str(len(lab.nodes)),
        by,
        f"{statistics.median(drawn):.2f} s",
        f"{statistics.median(laid_out):.2f} s",
        f"{layout.width:.0f} x {layout.height:.0f}, {len(svg) / 1024:.0f} KiB",
        *(f"{took:.2f} s" for took in converted),
    ]
    return f"| {' | '.join(cells)} |"
