"""Measure stars of plain hosts: against the floor, one host more, and how they ping.

The floor is `scripts/kernel-floor.c`, compiled here: the same namespaces and mounts, and
`ip -batch`.

"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bare

from against_kernel.measured import Measured, Say

SOURCE = Path(__file__).resolve().parents[2] / "scripts" / "kernel-floor.c"

# Neighbours that the machine's table is to have room for: those of the lab before are in it for a
# while yet.
ROOM = 10_000

DECLARED = """
import json, sys, time
from playground import Host, Lab, Link, Router, Switch
count, switches = map(int, sys.argv[1:])
router = Router("router")
stars = [Switch(f"s{number}", subnet=f"10.{number}.0.0/16") for number in range(switches)]
for switch in stars:
    Link(switch, router)
for number in range(count):
    Link(stars[number * switches // count], Host(f"h{number}"))
lab = Lab(router, engine="namespaces", quiet=True)
def timed(function, **arguments):
    begin = time.perf_counter()
    found = function(**arguments)
    return time.perf_counter() - begin, found
"""

UP_AND_DOWN = """
def available_mb():
    rows = dict(line.split(":") for line in open("/proc/meminfo"))
    return int(rows["MemAvailable"].split()[0]) / 1024
def settled_mb():
    # What the lab before had comes back a while after its end.
    seen = available_mb()
    for _ in range(40):
        time.sleep(0.5)
        now = available_mb()
        if now - seen < 2:
            break
        seen = now
    return now
lab.plan()
before = settled_mb()
up_s, _ = timed(lab.start)
memory_mb = before - available_mb()
down_s, _ = timed(lab.stop)
print(json.dumps({"up_s": up_s, "down_s": down_s, "memory_mb": memory_mb / count}))
"""

# The first time that all ask, nobody knows the router's MAC address.  A round in which one has no
# answer, as on a machine that is busy, is made again and counts.
GROWTH = """
def more(name):
    Link(stars[0], Host(name))
    lab.start()
def everybody():
    for _ in range(10):
        if lab.ping_all(to=router, timeout_s=3).all_reached:
            return
    raise SystemExit("a host has no answer from its router in ten rounds")
with lab:
    first_s, _ = timed(everybody)
    later_s = [timed(everybody)[0] for _ in range(3)]
    more_s = [timed(more, name=f"more{number}")[0] for number in range(3)]
print(json.dumps({"first_s": first_s, "later_s": later_s, "more_s": more_s}))
"""

PAIRS = """
def everybody():
    for _ in range(10):
        if lab.ping_all(timeout_s=3).all_reached:
            return
    raise SystemExit("a host has no answer from another in ten rounds")
with lab:
    print(json.dumps(timed(everybody)[0]))
"""


def against_the_floor(count: int, switches: int, runs: int, say: Say) -> list[Measured]:
    """Measure start() / the floor, stop() / the floor's end, and the memory of a host."""
    ours: list[dict[str, float]] = []
    floor: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder, bare.neighbours_for(ROOM):
        program = compiled(Path(folder))

        def of_ours() -> None:
            ours.append(by_program(DECLARED + UP_AND_DOWN, count, switches))

        def of_the_kernel() -> None:
            floor.append(said(str(program), str(count), str(switches)))

        for number in range(runs):
            sides = (of_ours, of_the_kernel) if number % 2 else (of_the_kernel, of_ours)
            for side in sides:
                side()
            whole = floor[-1]["hosts_s"] + floor[-1]["wires_s"]
            say(f"{count} hosts: {ours[-1]['up_s']:.2f} / {whole:.2f} s")
    return [
        Measured(
            [turn["up_s"] for turn in ours], [turn["hosts_s"] + turn["wires_s"] for turn in floor]
        ),
        Measured([turn["down_s"] for turn in ours], [turn["down_s"] for turn in floor]),
        Measured([turn["memory_mb"] for turn in ours]),
    ]


def growth(count: int, runs: int, say: Say) -> list[Measured]:
    """Measure the first round of pings to the router, the later ones, and one host more."""
    first: list[float] = []
    later: list[float] = []
    more: list[float] = []
    with bare.neighbours_for(ROOM):
        for _ in range(runs):
            found = by_program(DECLARED + GROWTH, count, 1)
            first.append(found["first_s"])
            later += found["later_s"]
            more += found["more_s"]
            say(f"{count} ping: {first[-1]:.2f} s, {later[-1]:.2f} s; one more {more[-1]:.3f} s")
    return [Measured(first), Measured(later), Measured(more)]


def all_pairs(count: int, runs: int, say: Say) -> list[Measured]:
    """Measure `lab.ping_all()` of so many hosts, each turn in a new lab."""
    say(f"all pairs of {count} hosts")
    with bare.neighbours_for(ROOM):
        return [Measured([by_program(DECLARED + PAIRS, count, 1) for _ in range(runs)])]


def compiled(folder: Path) -> Path:
    """Compile the floor into a folder."""
    program = folder / "kernel-floor"
    subprocess.run(["cc", "-O2", "-o", str(program), str(SOURCE)], check=True)
    return program


def by_program(text: str, *numbers: int) -> Any:
    """Run a program of its own in a new Python; return what it prints as JSON."""
    with script(text) as path:
        return said(sys.executable, path, *map(str, numbers))


@contextlib.contextmanager
def script(text: str) -> Iterator[str]:
    """A file of this text while the block runs."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(text)
        file.flush()
        yield file.name


def said(*argv: str) -> Any:
    """Return the line of JSON that a program prints.  Raises OSError when it fails."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(argv, capture_output=True, text=True, env=kept)
    if done.returncode != 0:
        # The last line of a traceback says it.
        raise OSError(done.stderr.strip().rpartition("\n")[2])
    return json.loads(done.stdout)
