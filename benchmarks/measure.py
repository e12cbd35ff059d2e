"""Measure a lab against the bare containers it is made of, side by side.

``scripts/bench`` runs this.  Both sides of a ratio are measured in turns in one
run, so that whatever else the machine does meets both; each number is the
median of several turns.

"""

from __future__ import annotations

import argparse
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import bare
import captures
import links
import live
import live_changes
import on_docker
import own_images
import page
import pictures
import ports
import routing
import sockets
import swarm
import throughput
from against_kernel import measured, table
from side_by_side import Row, time_text, timed

import playground
from playground import Link, Router
from playground.planning.planner import make_plan

# Only where a Docker engine is measured.
if TYPE_CHECKING:
    import docker

PAGE = """\
# Benchmarks

`scripts/bench --output benchmarks/README.md` wrote this page. Both sides of a ratio are
measured in turns in one run; each time is the median of {runs} turns, and each ratio the median of
the ratios of the turns.

Machine: {machine}.{left_out}
"""

PLANNING = """\
## Planning

Random connected networks of routers, with half as many links again as there are
routers; every segment is addressed, and every router has a route to each and the names of
all. 300 routers are to stay under 2 s.

| routers | links | routes | time | for each route and name |
|---|---|---|---|---|
{plans}
"""


def routers(count: int) -> list[Router]:
    """Declare routers in a random connected network, the same on every run."""
    chance = random.Random(count)
    made = [Router(f"r{number}") for number in range(count)]
    for number in range(1, count):
        Link(made[chance.randrange(number)], made[number])
    for _ in range(count // 2):
        Link(*chance.sample(made, 2))
    return made


def planning_section(runs: int, say: Callable[[str], None]) -> str:
    """Measure how long plans of networks of several sizes take; return their part of the page."""
    say("planning")
    plans = [planning(count, runs) for count in (50, 100, 200, 300)]
    return PLANNING.format(plans="\n".join(plans))


def planning(count: int, runs: int) -> str:
    """Return a line about planning a network of `count` routers."""
    times = []
    for _ in range(runs):
        nodes = routers(count)
        took, plan = timed(lambda nodes=nodes: make_plan(nodes))
        times.append(took)
    routes = sum(len(node.routes) for node in plan.nodes)
    names = sum(len(node.hosts) for node in plan.nodes)
    took = statistics.median(times)
    return (
        f"| {count} | {len(plan.wires)} | {routes} | {time_text(took)} | "
        f"{1e6 * took / max(1, routes + names):.1f} µs |"
    )


def machine(client: docker.APIClient | None) -> str:
    """Describe where this runs."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    parts = [
        f"{os.cpu_count()} cores of {cpu}, {memory_gib:.0f} GiB",
        f"Linux {platform.release()}, {system}",
    ]
    if client is not None:
        info, version = client.info(), client.version()
        group = f"cgroup v{info.get('CgroupVersion', '1')}"
        parts.append(f"Docker {version['Version']} ({info['Driver']}, {group})")
    parts.append(f"Python {platform.python_version()}, playground {_own_version()}")
    parts.append(time.strftime("%Y-%m-%d", time.gmtime()))
    return "; ".join(parts)


def _own_version() -> str:
    from importlib import metadata

    try:
        return metadata.version("network-playground")
    except metadata.PackageNotFoundError:
        return f"in {Path(playground.__file__).parent}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="scripts/bench")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="turns a side (5)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the page there as well")
    parser.add_argument(
        "--engine",
        choices=("docker", "namespaces", "both"),
        default="both",
        help="what is measured (both)",
    )
    parser.add_argument(
        "--only", action="append", metavar="PART", help='a heading of the page, as "Captures"'
    )
    parser.add_argument(
        "--rows",
        metavar="KEYS",
        help='rows of "Against the kernel", as stars,rules; alone, only it',
    )
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs: at least one run is needed")

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    runs = options.runs
    client = None if options.engine == "namespaces" else on_docker.connected()
    if options.rows and not options.only:
        options.only = ["Against the kernel"]
    lacking_rows: list[str] = []
    jobs = table.jobs(client)
    try:
        jobs = measured.chosen(jobs, options.rows.split(",") if options.rows else None)
    except KeyError as error:
        keys = ", ".join(job.key for job in jobs)
        parser.error(f"--rows: there is no {error.args[0]}; there is {keys}")
    lacking = page.left_out()
    for words in lacking:
        say(f"left out: {words}")
    parts: dict[str, Callable[[], str]] = {}
    if options.engine != "docker":
        parts["Bare namespaces"] = lambda: bare.section(Row, runs, say)
        parts["Live"] = lambda: live.section(Row, runs, say)
        parts["Live changes"] = lambda: live_changes.section(say)
        if os.geteuid() == 0:
            parts["Against the kernel"] = lambda: table.section(jobs, runs, say, lacking_rows)
            parts["TCP throughput"] = lambda: throughput.section(runs, say)
            parts["Links"] = lambda: links.section(say)
    if client is not None:
        parts["Docker"] = lambda: on_docker.section(client, runs, say)
        if os.geteuid() == 0:
            parts["Docker Swarm"] = lambda: swarm.section(Row, runs, say)
        parts["Your own images"] = lambda: own_images.section(
            Row, on_docker.up_and_down, client, runs, say
        )
    if os.geteuid() == 0 or options.engine == "docker":
        engines = ("namespaces", "docker") if options.engine == "both" else (options.engine,)
        parts["Routing protocols"] = lambda: routing.section(engines, runs, say)
        parts["Sockets of hosts"] = lambda: sockets.section(engines, runs, say)
        parts["Published ports"] = lambda: ports.section(engines, runs, say)
        parts["Captures"] = lambda: captures.section(engines, runs, say)
    parts["Pictures"] = lambda: pictures.section(runs, say)
    parts["Planning"] = lambda: planning_section(runs, say)
    if options.only:
        unknown = set(options.only) - set(parts)
        if unknown:
            parser.error(f"--only: there is no {', '.join(unknown)}; there is {', '.join(parts)}")
        parts = {name: part for name, part in parts.items() if name in options.only}

    written = ""
    # What is measured alone takes the place of its section, and the others stay.
    before = ""
    if options.only and options.output and options.output.exists():
        before = options.output.read_text()

    def write(text: str) -> None:
        nonlocal written
        print(text[len(written) :], flush=True)
        written = text
        if options.output:
            options.output.write_text(page.merged(before, text) if before else text)

    head = PAGE.format(
        runs=runs,
        machine=machine(client),
        left_out=f" Left out: {'; '.join(lacking)}." if lacking else "",
    )
    if failed := page.measure_parts(parts, write, say, head) + lacking_rows:
        sys.exit(f"not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
