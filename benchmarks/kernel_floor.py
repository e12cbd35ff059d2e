"""Measure labs of plain hosts against the least that the kernel asks for as many.

Part of ``scripts/bench``; `measure.py` puts it on the page.  The other side is
`scripts/kernel-floor.c`, compiled here: the same namespaces and mounts, and `ip -batch`.

"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import bare

SOURCE = Path(__file__).resolve().parents[1] / "scripts" / "kernel-floor.c"

# How many hosts, on how many switches of one router, and what is to be reached.
STARS = ((100, 1, ""), (1000, 1, "1.6x"), (3000, 3, "1.8x"))
# A star of 3,000 takes as long as three others.
TURNS_OF_MANY = 3

OURS = """
import json, sys, time
from playground import Host, Lab, Link, Router, Switch
count, switches = map(int, sys.argv[1:])
def available_mb():
    rows = dict(line.split(":") for line in open("/proc/meminfo"))
    return int(rows["MemAvailable"].split()[0]) / 1024
router = Router("router")
stars = [Switch(f"s{number}", subnet=f"10.{number}.0.0/16") for number in range(switches)]
for switch in stars:
    Link(switch, router)
for number in range(count):
    Link(stars[number * switches // count], Host(f"h{number}"))
lab = Lab(router, engine="namespaces", quiet=True)
lab.plan()
before = available_mb()
begin = time.perf_counter()
lab.start()
up = time.perf_counter() - begin
memory_mb = before - available_mb()
begin = time.perf_counter()
lab.stop()
down = time.perf_counter() - begin
print(json.dumps({"up_s": up, "down_s": down, "memory_mb": memory_mb}))
"""

SECTION = """\
## Against the kernel

| plain hosts, switches | playground | the kernel's floor | ratio | to reach | down | floor's \
| memory a host |
|---|---|---|---|---|---|---|---|
{rows}

The floor is `scripts/kernel-floor.c`: as many sets of the same namespaces, an overlay root, /proc,
/sys, /dev, /run and /tmp each, made by one process a core, and `ip -batch`, which plugs as many
pairs of veth devices into bridges. It hides nothing, sets no addresses and waits for nothing. Ours
is `lab.start()`, planning included, which ends when all that is done and every host has its files
and accounts. Where ours goes is in docs/architecture/speed.md.{raised}
"""


class Turn(NamedTuple):
    """What one turn took, in seconds and MB: ours and the floor's."""

    ours: dict[str, float]
    floor: dict[str, float]

    @property
    def ratio(self) -> float:
        return self.ours["up_s"] / (self.floor["hosts_s"] + self.floor["wires_s"])


def section(runs: int, say: Callable[[str], None]) -> str:
    """Measure all sizes; return their part of the page.  Raises OSError without a compiler."""
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        bare.neighbours_for(max(count for count, *_ in STARS)) as raised,
    ):
        program = compiled(Path(folder))
        for count, switches, reach in STARS:
            turns = []
            for number in range(runs if count <= 1000 else min(runs, TURNS_OF_MANY)):
                turns.append(turn(program, count, switches, ours_first=bool(number % 2)))
                say(f"{count} hosts: {turns[-1].ratio:.2f} times the floor")
            rows.append(row(count, switches, turns, reach))
    return SECTION.format(rows="\n".join(rows), raised=f" {raised}" if raised else "")


def compiled(folder: Path) -> Path:
    """Compile the floor into a folder."""
    program = folder / "kernel-floor"
    subprocess.run(["cc", "-O2", "-o", str(program), str(SOURCE)], check=True)
    return program


def turn(program: Path, count: int, switches: int, *, ours_first: bool) -> Turn:
    """Measure both sides once, one after the other."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    numbers = [str(count), str(switches)]
    sides = {"ours": [sys.executable, "-c", OURS, *numbers], "floor": [str(program), *numbers]}
    found: dict[str, Any] = {}
    for side in sorted(sides, reverse=ours_first):
        done = subprocess.run(sides[side], capture_output=True, text=True, env=environ)
        if done.returncode != 0:
            raise OSError(f"{count} hosts, {side}: {done.stderr}")
        found[side] = json.loads(done.stdout)
    return Turn(**found)


def row(count: int, switches: int, turns: list[Turn], reach: str) -> str:
    """Return a line of the table: medians, the ratio that of the turns' ratios."""

    def median(of: Callable[[Turn], float]) -> float:
        return statistics.median(map(of, turns))

    return (
        f"| {count:,}, {switches} | {median(lambda one: one.ours['up_s']):.2f} s "
        f"| {median(lambda one: one.floor['hosts_s'] + one.floor['wires_s']):.2f} s "
        f"| {median(lambda one: one.ratio):.2f}x | {reach} "
        f"| {median(lambda one: one.ours['down_s']):.2f} s "
        f"| {median(lambda one: one.floor['down_s']):.2f} s "
        f"| {median(lambda one: one.ours['memory_mb']) / count:.2f} MB |"
    )
