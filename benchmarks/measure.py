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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bare
import captures
import kernel_floor
import links
import live
import live_changes
import own_images
import page
import pictures
import ports
import routing
import sockets
import swarm
import throughput

import playground
from playground import Host, Lab, Link, Router, Switch
from playground.display.progress import make_progress
from playground.engines.images import helper_image, image_for
from playground.examples import miniature_internet
from playground.planning.planner import make_plan

# Only where a Docker engine is measured.
if TYPE_CHECKING:
    import docker

# As many requests at a time as the library itself sends.
THREADS = 6


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

DOCKER = """\
## Docker

| what / against what | playground | the other side | ratio | to reach |
|---|---|---|---|---|
{rows}

Bare containers are created and started through docker-py with {threads} threads, from the same
images, without any network; they are removed by force, with as many threads.
"""


@dataclass
class Row:
    """One line of the table: our times and the other side's, in seconds."""

    what: str
    ours: list[float]
    theirs: list[float]
    reach: str
    inverse: bool = False

    def __str__(self) -> str:
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        # Of each turn by itself: a machine that is slow for a minute is so for both.
        ratio = statistics.median(a / b for a, b in zip(self.ours, self.theirs, strict=True))
        ratio = 1 / ratio if self.inverse else ratio
        shown = f"{ratio:.0f}x faster" if self.inverse else f"{ratio:.2f}x"
        return f"| {self.what} | {_time(ours)} | {_time(theirs)} | {shown} | {self.reach} |"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1000 * seconds:.2f} ms"


def _timed(function: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    result = function()
    return time.perf_counter() - begin, result


class BareContainers:
    """As many containers, made with docker-py and nothing else."""

    def __init__(self, client: docker.APIClient, images: Sequence[str]) -> None:
        self._client = client
        self._images = images
        self._ids: list[str] = []

    def up(self) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self._create, self._images))
            list(pool.map(self._client.start, self._ids))

    def down(self) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self._remove, self._ids))

    def _create(self, image: str) -> None:
        config = self._client.create_host_config(network_mode="none")
        labels = {"playground.bench": str(os.getpid())}
        made = self._client.create_container(image, host_config=config, labels=labels)
        self._ids.append(made["Id"])

    def _remove(self, identity: str) -> None:
        self._client.remove_container(identity, force=True, v=True)


def star(count: int) -> Lab:
    """Declare hosts without services around one switch."""
    switch = Switch("switch")
    for number in range(1, count + 1):
        Link(switch, Host(f"h{number}"))
    return Lab(switch, name=f"bench-{count}-{os.getpid()}", quiet=True, engine="docker")


def up_and_down(
    client: docker.APIClient,
    make: Callable[[], Lab],
    runs: int,
    say: Callable[[str], None],
    images: Sequence[str] = (),
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return our ups and downs, and those of as many bare containers, of the same images."""
    ours_up, ours_down, bare_up, bare_down = [], [], [], []
    nodes = make().plan().nodes
    tags = images or [image_for(item.service for item in node.services).tag for node in nodes]

    def ours() -> None:
        lab = make()
        ours_up.append(_timed(lab.start)[0])
        ours_down.append(_timed(lab.stop)[0])

    def bare() -> None:
        containers = BareContainers(client, tags)
        try:
            bare_up.append(_timed(containers.up)[0])
        finally:
            took = _timed(containers.down)[0]
        bare_down.append(took)

    for number in range(runs):
        # Each side goes first every other time.
        for side in (ours, bare) if number % 2 else (bare, ours):
            side()
        say(f"run {number + 1}: up {ours_up[-1]:.2f} / {bare_up[-1]:.2f} s")
    return ours_up, ours_down, bare_up, bare_down


def commands(client: docker.APIClient, turns: int) -> Row:
    """Time a command on a host against `docker exec` through the API."""
    ours, theirs = [], []
    with star(2) as lab:
        h1 = lab["h1"]
        assert isinstance(h1, Host)

        def by_exec() -> None:
            job = client.exec_create(f"{lab.id}.h1", ["true"])
            client.exec_start(job["Id"])

        # In turns of ten: a script runs its commands one after the other.
        for _ in range(turns):
            ours += [_timed(lambda: h1.run("true"))[0] for _ in range(10)]
            theirs += [_timed(by_exec)[0] for _ in range(10)]
    return Row('`h1.run("true")` / `docker exec` through the API', ours, theirs, "20x faster", True)


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
        took, plan = _timed(lambda nodes=nodes: make_plan(nodes))
        times.append(took)
    routes = sum(len(node.routes) for node in plan.nodes)
    names = sum(len(node.hosts) for node in plan.nodes)
    took = statistics.median(times)
    return (
        f"| {count} | {len(plan.wires)} | {routes} | {_time(took)} | "
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


def on_docker(client: docker.APIClient, runs: int, say: Callable[[str], None]) -> str:
    """Measure labs on Docker against bare containers; return their part of the page."""
    rows = []
    for count, reach in ((12, "1.15x"), (50, "1.15x")):
        say(f"{count} plain hosts")
        ours, ours_down, bare_up, bare_down = up_and_down(
            client, lambda count=count: star(count), runs, say
        )
        rows.append(Row(f"{count} plain hosts up / as many bare containers", ours, bare_up, reach))
        rows.append(Row(f"{count} plain hosts down / removed", ours_down, bare_down, "1.2x"))
    say("the miniature Internet")
    ours, ours_down, bare_up, bare_down = up_and_down(
        client,
        lambda: miniature_internet(
            quiet=True, name=f"bench-internet-{os.getpid()}", engine="docker"
        ),
        runs,
        say,
    )
    rows.append(
        Row(
            "the miniature Internet, every service answering / its bare containers",
            ours,
            bare_up,
            "1.6x",
        )
    )
    rows.append(Row("the miniature Internet down / removed", ours_down, bare_down, "1.2x"))
    say("commands")
    rows.append(commands(client, runs))
    return DOCKER.format(rows="\n".join(map(str, rows)), threads=THREADS)


def docker_client() -> docker.APIClient:
    """Return a client of the engine, once it has the images."""
    import docker

    client = docker.from_env(timeout=120).api
    images = [helper_image(), image_for(())]
    plan = miniature_internet(quiet=True, engine="docker").plan()
    images += [image_for(item.service for item in node.services) for node in plan.nodes]
    playground.DockerEngine().ensure_images(list(dict.fromkeys(images)), make_progress())
    return client


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
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs: at least one run is needed")

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    runs = options.runs
    client = None if options.engine == "namespaces" else docker_client()
    lacking = page.left_out()
    for words in lacking:
        say(f"left out: {words}")
    parts: dict[str, Callable[[], str]] = {}
    if options.engine != "docker":
        parts["Bare namespaces"] = lambda: bare.section(Row, runs, say)
        parts["Live"] = lambda: live.section(Row, runs, say)
        parts["Live changes"] = lambda: live_changes.section(say)
        if os.geteuid() == 0:
            parts["Against the kernel"] = lambda: kernel_floor.section(runs, say)
            parts["TCP throughput"] = lambda: throughput.section(runs, say)
            parts["Links"] = lambda: links.section(say)
    if client is not None:
        parts["Docker"] = lambda: on_docker(client, runs, say)
        if os.geteuid() == 0:
            parts["Docker Swarm"] = lambda: swarm.section(Row, runs, say)
        parts["Your own images"] = lambda: own_images.section(Row, up_and_down, client, runs, say)
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

    def write(text: str) -> None:
        nonlocal written
        print(text[len(written) :], flush=True)
        written = text
        if options.output:
            options.output.write_text(text)

    head = PAGE.format(
        runs=runs,
        machine=machine(client),
        left_out=f" Left out: {'; '.join(lacking)}." if lacking else "",
    )
    if failed := page.measure_parts(parts, write, say, head):
        sys.exit(f"not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
