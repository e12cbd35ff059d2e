"""Measure labs of bare namespaces: against Mininet, and by their number of hosts.

Part of ``scripts/bench``; `measure.py` puts it on the page.  What is compared with
Mininet are whole programs: each side is a script of a few lines, started by its own
Python, in turns.

"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from playground import Host, Lab, Link
from playground.engines.kernel_limits import read_capacity
from playground.examples import miniature_internet

HOSTS = 12
SIZES = (10, 100, 300, 1000)

# Each script prints a line of JSON for every lab, as soon as the first ping is
# answered; what comes after is the lab's way down.
OURS = """
import json, time
from playground import Host, Lab, Link, Switch
for _ in range({labs}):
    begin = time.perf_counter()
    switch = Switch("s1")
    hosts = [Host(f"h{{number}}") for number in range(1, {hosts} + 1)]
    for host in hosts:
        Link(switch, host)
    with Lab(switch, engine="namespaces", quiet=True):
        hosts[0].run(["ping", "-c1", "-W1", "h2"])
        print(json.dumps(time.perf_counter() - begin), flush=True)
"""
# LinuxBridge is the fastest of Mininet's switches that needs no daemon.  It may not
# carry frames yet when start() returns, so that the first pings are not answered.
THEIRS = """
import json, time
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import SingleSwitchTopo
for _ in range({labs}):
    begin = time.perf_counter()
    net = Mininet(topo=SingleSwitchTopo({hosts}), switch=LinuxBridge, controller=None)
    net.start()
    while " 0% packet loss" not in net.hosts[0].cmd("ping -c1 -W0.02 10.0.0.2"):
        pass
    print(json.dumps(time.perf_counter() - begin), flush=True)
    net.stop()
"""
SCALE = """
import json, os, resource, sys, time
from concurrent.futures import ThreadPoolExecutor
from playground import Host, Lab, Link, Router, Switch
count = int(sys.argv[1])
def timed(function):
    begin = time.perf_counter()
    result = function()
    return time.perf_counter() - begin, result
def memory():
    rows = dict(line.split(":") for line in open("/proc/meminfo"))
    return {{name: int(rows[name].split()[0]) / 1024 for name in ("MemAvailable", "Slab")}}
def make():
    switch, router = Switch("switch", subnet="10.0.0.0/16"), Router("router")
    Link(switch, router)
    hosts = [Host(f"h{{number}}") for number in range(count)]
    for host in hosts:
        Link(switch, host)
    return hosts, Lab(switch, engine="namespaces", quiet=True).start()
def ping(host):
    return host.run(["ping", "-q", "-c1", "-W5", "router"], check=False).returncode == 0
before = memory()
up, (hosts, lab) = timed(make)
after = memory()
with ThreadPoolExecutor(8) as pool:
    pinging, answers = timed(lambda: list(pool.map(ping, hosts)))
down, _ = timed(lab.stop)
print(json.dumps({{
    "lab": lab.id, "up": up, "ping": pinging, "answers": sum(answers), "down": down,
    "memory_mb": before["MemAvailable"] - after["MemAvailable"],
    "slab_mb": after["Slab"] - before["Slab"],
    "library_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}}))
"""

SECTION = """\
## Bare namespaces

| what / against what | playground | the other side | ratio | to reach |
|---|---|---|---|---|
{rows}

Mininet: {mininet}. Both sides are whole programs, started in turns in a network and a mount
namespace of their own, so that the machine's rules for bridges meet neither, each with the Python
that it is installed for and with its modules compiled. The clock stops at the answer to the first
ping.

| hosts | up | every one pings its router | answers | down | memory | of it, kernel's slab \
| the library's own | left behind |
|---|---|---|---|---|---|---|---|---|
{sizes}

One switch, one router, and so many hosts. Memory is what became less available while
the lab came up; left behind are mounts and interfaces of the machine, and processes of the lab
(with whose end its namespaces end).{raised}
"""

Say = Callable[[str], None]


def section(row: Callable[..., object], runs: int, say: Say) -> str:
    """Measure all of it and return its part of the page; `row` makes a line of the table."""
    rows: list[str] = []
    say("whole programs")
    version = mininet()
    ours, theirs = programs(runs, with_mininet=bool(version))
    for number, (what, reach) in enumerate(
        (
            (f"{HOSTS} plain hosts in a star, from `python script.py` to the first ping", "1x"),
            ("the same, from the first line after the imports", ""),
            ("a second such lab in the same program", "0.4x"),
        )
    ):
        mine = [turn[number] for turn in ours]
        if theirs:
            rows.append(
                str(row(f"{what} / Mininet", mine, [turn[number] for turn in theirs], reach))
            )
        else:
            rows.append(alone(f"{what} / Mininet", mine, reach))
    say("commands")
    rows.append(alone('`h1.run("true")`', commands(runs), "3 ms"))
    if os.geteuid() == 0:
        say("the miniature Internet")
        rows.append(
            alone("the miniature Internet, every service answering", internet(runs), "1.5 s")
        )
    with neighbours_for(max(SIZES)) as raised:
        sizes = []
        results = []
        for count in SIZES:
            say(f"{count} hosts")
            results.append((count, *scale(count)))
        sizes = [size(*result) for result in results]
    rows.append(f"| memory of an idle host of its own | {idle_host(results)} | | | 2 MB |")
    return SECTION.format(
        rows="\n".join(rows),
        mininet=version
        or "not installed here, or without bridge-utils (`scripts/bench --mininet` installs both)",
        sizes="\n".join(sizes),
        raised=f" {raised}" if raised else "",
    )


def alone(what: str, times: Sequence[float], reach: str) -> str:
    """Return a line of the table that has no other side."""
    middle = statistics.median(times)
    shown = f"{middle:.2f} s" if middle >= 0.1 else f"{1000 * middle:.2f} ms"
    return f"| {what} | {shown} | | | {reach} |"


def mininet() -> str:
    """Return Mininet's version and switch, "" where it is not installed."""
    program = shutil.which("mn")
    if program is None or shutil.which("brctl") is None:
        return ""
    said = subprocess.run([program, "--version"], capture_output=True, text=True)
    return f"{(said.stdout + said.stderr).strip()} with LinuxBridge"


def programs(
    runs: int, *, with_mininet: bool
) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    """Return for each turn and side: whole program, first lab, second lab, in seconds."""
    sides = [(sys.executable, OURS)]
    if with_mininet:
        sides.append(("/usr/bin/python3", THEIRS))
    times: list[list[tuple[float, ...]]] = [[] for _ in sides]
    with tempfile.TemporaryDirectory() as folder:
        scripts = []
        for number, (_, text) in enumerate(sides):
            scripts.append(Path(folder, f"script{number}.py"))
            scripts[-1].write_text(text.format(hosts=HOSTS, labs=2))
        for turn in range(runs + 1):
            # Each side goes first every other time.
            order = range(len(sides)) if turn % 2 else reversed(range(len(sides)))
            for number in order:
                took = program(sides[number][0], scripts[number])
                if turn:  # the first compiles modules, and warms the machine's memory
                    times[number].append(took)
    return times[0], times[1] if with_mininet else []


def program(python: str, script: Path) -> tuple[float, ...]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    argv = [python, str(script)]
    if os.geteuid() == 0:
        # With the devices of the new namespace in /sys, where brctl looks.
        inside = 'mount -t sysfs none /sys && exec "$@"'
        argv = ["unshare", "--net", "--mount", "sh", "-c", inside, "sh", *argv]
    begin = time.perf_counter()
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline()]
        whole = time.perf_counter() - begin
        rest, complaints = process.communicate()
    said += rest.splitlines()
    if process.returncode != 0:
        raise SystemExit(f"{script.read_text()}\nfailed:\n{complaints}")
    return (whole, *(float(line) for line in said if line.strip()))


def commands(turns: int) -> list[float]:
    """Return the times of a command that does nothing."""
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    times = []
    with Lab(h1, engine="namespaces", quiet=True):
        h1.run("true")
        for _ in range(turns * 20):
            begin = time.perf_counter()
            h1.run("true")
            times.append(time.perf_counter() - begin)
    return times


def internet(runs: int) -> list[float]:
    """Return the times in which the miniature Internet is up, its images made before."""
    times = []
    for turn in range(runs + 1):
        lab = miniature_internet(name=f"bench-{os.getpid()}", quiet=True, engine="namespaces")
        begin = time.perf_counter()
        with lab:
            if turn:
                times.append(time.perf_counter() - begin)
    return times


# -- by the number of hosts --------------------------------------------------


def scale(count: int) -> tuple[dict[str, Any], str]:
    """Return what a lab of so many hosts takes, and what it leaves behind."""
    before = census()
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(SCALE.format())
        script.flush()
        said = subprocess.run(
            [sys.executable, script.name, str(count)], capture_output=True, text=True
        )
    if said.returncode != 0:
        raise SystemExit(f"a lab of {count} hosts failed:\n{said.stderr}")
    found = json.loads(said.stdout)
    own = f"playground.lab={found['lab']}\0".encode()
    left = [*(census()[number] - before[number] for number in range(2)), processes_with(own)]
    return found, ", ".join(str(max(0, number)) for number in left)


def census() -> tuple[int, int]:
    """Count the machine's mounts and its network interfaces."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return len(mounts), len(os.listdir("/sys/class/net"))


def processes_with(entry: bytes) -> int:
    """Count the processes that have this in their environment."""
    count = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            count += entry in Path("/proc", pid, "environ").read_bytes()
    return count


def size(count: int, found: dict[str, Any], left: str) -> str:
    return (
        f"| {count} | {found['up']:.2f} s | {found['ping']:.2f} s | {found['answers']} | "
        f"{found['down']:.2f} s | {found['memory_mb']:.0f} MB | {found['slab_mb']:.0f} MB | "
        f"{found['library_mb']:.0f} MB | {left} |"
    )


def idle_host(results: Sequence[tuple[int, dict[str, Any], str]]) -> str:
    """Return what one more host takes, from the largest lab and the one before it."""
    (few, less, _), (many, more, _) = results[-2:]
    return f"{(more['memory_mb'] - less['memory_mb']) / (many - few):.2f} MB"


@contextlib.contextmanager
def neighbours_for(count: int) -> Iterator[str]:
    """Give the machine's table of neighbours room for so many hosts, and put it back."""
    setting = "net.ipv4.neigh.default.gc_thresh3"
    there = read_capacity().allowed.get(setting)
    wanted = 4 * count
    if there is None or there >= wanted or os.geteuid() != 0:
        yield ""
        return
    path = Path("/proc/sys", setting.replace(".", "/"))
    path.write_text(str(wanted))
    try:
        yield f"{setting} was raised from {there} to {wanted} for this, and put back."
    finally:
        path.write_text(str(there))
