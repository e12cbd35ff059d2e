"""Measure whole programs: beside Mininet's, the import, and commands of a terminal."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

import bare

from against_kernel.measured import Measured, Say
from against_kernel.stars import script

IMPORT = """
import time
begin = time.perf_counter()
{line}
print(time.perf_counter() - begin)
"""
IMPORTED = ("import playground", "from playground import Host, Lab, Link")

LAB = """
from playground import Host, Lab, Link
h1, h2 = Host("h1"), Host("h2")
Link(h1, h2)
lab = Lab(h1, name="{name}", engine="namespaces")
"""

# So short a program is run more often.
TIMES = 4


def beside_mininet(runs: int, say: Say) -> list[Measured]:
    """Measure 12 hosts from `python script.py` to the first ping, and a second lab after it."""
    say("whole programs")
    ours, theirs = bare.programs(runs, with_mininet=bool(bare.mininet()))
    return [
        Measured([turn[column] for turn in ours], [turn[column] for turn in theirs])
        for column in (0, 2)
    ]


def importing(runs: int, say: Say) -> list[Measured]:
    """Measure `import playground` in a new Python, and the import of what a lab is made of."""
    say("the import")
    times: tuple[list[float], ...] = ([], [])
    for turn in range(runs * TIMES + 1):
        for line, taken in zip(IMPORTED, times, strict=True):
            argv = [sys.executable, "-c", IMPORT.format(line=line)]
            done = subprocess.run(argv, capture_output=True, text=True, check=True)
            if turn:  # the first may compile modules
                taken.append(float(done.stdout))
    return [Measured(taken) for taken in times]


def in_a_terminal(runs: int, say: Say) -> list[Measured]:
    """Measure `playground run h1 -- true` and `playground ls`, each a whole process."""
    say("commands of a terminal")
    program = [sys.executable, "-m", "playground"]
    name = f"bench-terminal-{os.getpid()}"
    with script(LAB.format(name=name)) as path:
        subprocess.run([*program, "--quiet", "up", path], check=True, stdout=subprocess.DEVNULL)
    try:
        commands = ([*program, "run", "--lab", name, "h1", "--", "true"], [*program, "ls"])
        times: tuple[list[float], ...] = ([], [])
        for turn in range(runs * TIMES + 1):
            for command, taken in zip(commands, times, strict=True):
                begin = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                if turn:
                    taken.append(time.perf_counter() - begin)
    finally:
        subprocess.run([*program, "--quiet", "down", name], check=True, stdout=subprocess.DEVNULL)
    say(f"run {statistics.median(times[0]):.2f} s, ls {statistics.median(times[1]):.2f} s")
    return [Measured(taken) for taken in times]
