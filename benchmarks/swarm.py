"""Measure labs over three machines of a Docker Swarm against what they are made of.

Part of ``scripts/bench``; `measure.py` puts it on the page.  The machines are engines on
this one, the other sides services without any network, and the overlay network that links cross by.

"""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from throughput import RECEIVE, SECONDS, SEND

from playground import DockerEngine, Host, Lab, Link, Switch
from playground.display.progress import Silent
from playground.engines.images import helper_image, image_for
from playground.engines.swarm.engine import SwarmEngine
from playground.engines.swarm.manager import has_ended, process_of
from playground.engines.swarm.specs import server_name

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP))

from tests.swarm_machines import (  # noqa: E402
    HOME,
    RUNNING,
    SwarmMachine,
    SwarmOfTests,
    found_swarm,
    running_swarm,
)

HOSTS = 60
MANY = 300
PINGS = 50
LIMIT_S = 300.0
AT_ONCE = 16

# By the file's path, so that nothing of the package has to be installed there.
PLAIN = """
import sys
sys.path.insert(0, sys.argv[1])
from playground.agent.kernel.offloads import Offloads
Offloads().off("eth0")
"""

SECTION = """\
## Docker Swarm

Three engines on this machine, each in namespaces of its own.

| what / against what | playground | the other side | ratio | to reach |
|---|---|---|---|---|
{rows}

{many}

TCP, one connection for {seconds:g} s, in Gbit/s. "By itself" is the overlay network without the
offloads of its veth devices, so that packets pass one by one, as they do on a cable between two
machines; else 64 kB pass in one piece.

| over | Gbit/s | of the overlay's own | of the same, by itself |
|---|---|---|---|
{rates}
"""

# A machine, a container there by whose network it is sent or received, and its address.
End = tuple[SwarmMachine, str]


@contextlib.contextmanager
def machines() -> Iterator[tuple[SwarmOfTests, SwarmEngine]]:
    """Have a swarm with the images of plain hosts, and an engine for it."""
    images = [helper_image(), image_for(())]
    with contextlib.closing(DockerEngine()) as docker:
        docker.ensure_images(images)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp"))
        new = running_swarm(3, Path(folder) / "swarm")
        made = found_swarm(HOME) if RUNNING else stack.enter_context(new)
        made.load([image.tag for image in images])
        before = os.environ.get("PLAYGROUND_REGISTRY")
        os.environ["PLAYGROUND_REGISTRY"] = made.registry
        try:
            engine = stack.enter_context(contextlib.closing(SwarmEngine(made.manager.url)))
            engine.ensure_images(images, Silent())
            yield made, engine
        finally:
            if before is None:
                del os.environ["PLAYGROUND_REGISTRY"]
            else:
                os.environ["PLAYGROUND_REGISTRY"] = before


class BareServices:
    """As many services of one task, made by the same requests and nothing else."""

    def __init__(self, engine: SwarmEngine, count: int) -> None:
        self._manager = engine.manager
        self._image = engine._images.name_of(image_for(()).tag)
        self._names = [f"bench-{os.getpid()}-{number}" for number in range(count)]
        self._label = f"playground.bench={os.getpid()}"

    def up(self) -> None:
        def create(line: Any, name: str) -> None:
            line.request("POST", "/services/create", body=self._spec(name))

        self._manager.server.each(self._names, create)
        self._wait(lambda tasks: sum(map(bool, map(process_of, tasks))) == len(self._names))

    def down(self) -> None:
        self._manager.remove(self._names)
        self._wait(lambda tasks: all(map(has_ended, tasks)))

    def _wait(self, done: Callable[[list[dict[str, Any]]], bool]) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not done(self._manager.tasks(label=self._label)):
            assert time.monotonic() < deadline, "the services are not where they should be"
            time.sleep(0.05)

    def _spec(self, name: str) -> dict[str, Any]:
        key, _, value = self._label.partition("=")
        return {
            "Name": name,
            "Labels": {key: value},
            "TaskTemplate": {
                "ContainerSpec": {"Image": self._image},
                "RestartPolicy": {"Condition": "none"},
                "LogDriver": {"Name": "none"},
            },
            "Mode": {"Replicated": {"Replicas": 1}},
            "EndpointSpec": {"Mode": "dnsrr"},
        }


def star(engine: SwarmEngine, count: int) -> Lab:
    switch = Switch("switch", subnet="10.10.0.0/22")
    for number in range(1, count + 1):
        Link(switch, Host(f"h{number}"))
    return Lab(switch, name=f"bench-{count}", quiet=True, engine=engine, spread=3)


def timed(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def section(row: Any, runs: int, say: Callable[[str], None]) -> str:
    """Measure all of it and return its part of the page; ``row`` makes a line of a table."""
    with machines() as (made, engine):
        rows = [*up_and_down(row, engine, runs, say)]
        say(f"{MANY} hosts on a swarm")
        many = many_hosts(engine)
        say("links that cross machines")
        more, rates = links(row, made, engine, runs)
    rows += more
    return SECTION.format(
        rows="\n".join(map(str, rows)), many=many, rates="\n".join(rates), seconds=SECONDS
    )


def up_and_down(
    row: Any, engine: SwarmEngine, runs: int, say: Callable[[str], None]
) -> Iterator[Any]:
    ours_up, ours_down, bare_up, bare_down = [], [], [], []

    def ours() -> None:
        lab = star(engine, HOSTS)
        ours_up.append(timed(lab.start))
        ours_down.append(timed(lab.stop))

    def bare() -> None:
        services = BareServices(engine, HOSTS)
        bare_up.append(timed(services.up))
        bare_down.append(timed(services.down))

    for number in range(runs):
        for side in (ours, bare) if number % 2 else (bare, ours):
            side()
        say(f"run {number + 1}: up {ours_up[-1]:.2f} / {bare_up[-1]:.2f} s")
    yield row(f"{HOSTS} plain hosts up / as many bare services", ours_up, bare_up, "1.2x")
    yield row(f"{HOSTS} plain hosts down / removed", ours_down, bare_down, "1.3x")


def many_hosts(engine: SwarmEngine, count: int = MANY) -> str:
    """Start many hosts at one switch, and have each ping the next, the last the first."""
    lab = star(engine, count)
    up = timed(lab.start)
    try:
        hosts = [node for node in lab if isinstance(node, Host)]
        addresses = [address_of(host) for host in hosts]

        def answered(number: int) -> bool:
            next_one = addresses[(number + 1) % len(hosts)]
            ping = ["ping", "-q", "-c1", "-W5", next_one]
            return hosts[number].run(ping, check=False).returncode == 0

        begin = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = sum(pool.map(answered, range(len(hosts))))
        pinged = time.perf_counter() - begin
    finally:
        down = timed(lab.stop)
    return (
        f"{count} hosts at one switch come up in {up:.1f} s and go in {down:.1f} s; "
        f"{answers} of them ping the next one, in {pinged:.1f} s."
    )


def links(
    row: Any, made: SwarmOfTests, engine: SwarmEngine, runs: int
) -> tuple[list[Any], list[str]]:
    first, second = made.machines[:2]
    a, b, c, d = (Host(name, machine=f"m{1 + at % 2}") for at, name in enumerate("abcd"))
    Link(a, b)
    Link(c, d, offload=True)
    pings: tuple[list[float], list[float]] = ([], [])
    commands: list[float] = []
    rates: dict[str, list[float]] = {}
    with Lab(a, c, name="bench-links", quiet=True, engine=engine):
        servers = tuple((machine, server_of(machine, engine)) for machine in (first, second))
        address = made.machines[1].in_network_of(servers[1][1], "ip", "-o", "-4", "address")
        there = re.findall(r"inet (198\.19\.[0-9.]+)", address)[0]
        ways = {
            "`Link()`": ((first, node(first, "a")), (second, node(second, "b")), address_of(b)),
            "`Link(offload=True)`": (
                (first, node(first, "c")),
                (second, node(second, "d")),
                address_of(d),
            ),
            "the overlay network": (*servers, there),
        }
        for _ in range(runs):
            pings[0].append(ping_s(*ways["`Link()`"]))
            pings[1].append(ping_s(*ways["the overlay network"]))
            commands += [timed(lambda: b.run("true")) for _ in range(10)]
            for name, way in ways.items():
                rates.setdefault(name, []).append(rate_gbit(*way))
        for machine, server in servers:
            machine.in_network_of(server, sys.executable, "-I", "-c", PLAIN, str(TOP))
        alone = [rate_gbit(*ways["the overlay network"]) for _ in range(runs)]
    rates["the overlay network, by itself"] = alone
    median = {name: statistics.median(found) for name, found in rates.items()}
    lines = [
        f"| {name} | {rate:.2f} | {100 * rate / median['the overlay network']:.0f} % | "
        f"{100 * rate / median['the overlay network, by itself']:.0f} % |"
        for name, rate in median.items()
    ]
    answer = row("a ping over a link that crosses machines / the overlay's own", *pings, "")
    took = statistics.median(commands)
    run = f'| `host.run("true")` on another machine | {1000 * took:.2f} ms | | | 5 ms |'
    return [answer, run], lines


def node(machine: SwarmMachine, name: str) -> str:
    return machine.docker("ps", "-q", "--filter", f"label=playground.node={name}")


def server_of(machine: SwarmMachine, engine: SwarmEngine) -> str:
    return machine.docker("ps", "-q", "--filter", f"name={server_name(engine._helper())}")


def address_of(host: Host) -> str:
    return host.run("hostname -I").stdout.split()[0]


def ping_s(sender: End, receiver: End, address: str) -> float:
    """Return the median round trip of some pings."""
    machine, container = sender
    said = machine.in_network_of(container, "ping", "-c", str(PINGS), "-i", "0.02", address)
    times = [float(found) for found in re.findall(r"time=([0-9.]+) ms", said)]
    return statistics.median(times) / 1000


def rate_gbit(sender: End, receiver: End, address: str) -> float:
    """Send for a while from one container's network to another's; return Gbit/s."""
    machine, container = receiver
    command = machine.entering(container, sys.executable, "-I", "-S", "-c", RECEIVE)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        machine, container = sender
        code = [sys.executable, "-I", "-S", "-c", SEND, address, port, str(SECONDS)]
        machine.in_network_of(container, *code)
        count, seconds = process.stdout.readline().split()
    return 8e-9 * int(count) / float(seconds)
