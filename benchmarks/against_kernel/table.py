"""All rows of the section "Against the kernel", in the order of the page."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

import live
import throughput

from against_kernel import internet, packets, plans, programs, stars
from against_kernel.measured import Job, Kind, Line, Measured, Say, finish

# Only where a Docker engine is measured.
if TYPE_CHECKING:
    import docker

SECTION = """\
## Against the kernel

Medians of {runs} turns, both sides of a ratio in turns; a ratio is the median of the turns'
ratios. "Today" is what was measured before the work on it began, on another day.
`scripts/bench --only "Against the kernel"` measures this section alone, `--rows` chooses from it
by names: `{keys}`. The whole took {minutes:.0f} minutes.

| what / against what | today | now | to reach | what bounds it |
|---|---|---|---|---|
{rows}

The floor is `scripts/kernel-floor.c`: it makes the same namespaces and mounts and plugs the wires,
and addresses, names, hides and limits nothing. Memory is what became less available while the lab
came up. Packets in a table and tshark's list are in processor time, all else in time that passes.
nft(8) replaces the rules of the turn before in a network that stays, as ours does. By hand are two
pairs of veth devices and a network between them that forwards. Where the time goes stands in
docs/architecture/speed.md. Each took:{times}
"""

FEW = "few, short processes: what Python, an agent and the first command of a host take"


def jobs(client: docker.APIClient | None) -> list[Job]:
    """Return all measurements; what is not here is told in each that needs it."""
    ratio, share, seconds = Kind.RATIO, Kind.SHARE, Kind.SECONDS
    root = "" if os.geteuid() == 0 else "only root can (sudo scripts/bench)"
    floor = root or ("" if shutil.which("cc") else "there is no cc (apt-get install gcc libc6-dev)")
    engine = "" if client is not None else "without a Docker engine"
    return [
        Job(
            "stars",
            (
                Line(
                    "1,000 plain hosts in a star, start() / the floor",
                    "3.3-4x",
                    "1.6x",
                    ratio,
                    "mounts that hide the machine, Python, files of /proc/sys",
                ),
                Line("the same, stop() / the floor's end", "", "", ratio, "ends of namespaces"),
                Line("memory of each", "", "0.7 MB", Kind.MEGABYTES, "the kernel's slab"),
            ),
            90,
            lambda runs, say: stars.against_the_floor(1000, 1, runs, say),
            floor,
        ),
        Job(
            "many",
            (
                Line(
                    "3,000 hosts on three switches, start() / the floor",
                    "-",
                    "1.8x",
                    ratio,
                    "as of 1,000",
                ),
                Line("the same, stop() / the floor's end", "", "", ratio, "ends of namespaces"),
                Line("memory of each", "-", "0.7 MB", Kind.MEGABYTES, "the kernel's slab"),
            ),
            330,
            lambda runs, say: stars.against_the_floor(3000, 3, runs, say),
            floor,
        ),
        Job(
            "mininet",
            (
                Line(
                    "12 hosts, whole program to the first ping / Mininet",
                    "0.69-0.74x",
                    "0.55x",
                    ratio,
                    "Python's start and imports",
                ),
                Line("a second lab in it / Mininet", "0.53-0.57x", "0.35x", ratio, FEW),
            ),
            15,
            programs.beside_mininet,
        ),
        Job(
            "internet",
            (
                Line(
                    "miniature Internet, every service answering, embedded",
                    "0.5-0.6 s",
                    "0.35 s",
                    seconds,
                    "39 % are the daemons' own starts",
                ),
            ),
            10,
            internet.embedded,
            root,
        ),
        Job(
            "internet-docker",
            (
                Line(
                    "miniature Internet on Docker / its bare containers",
                    "1.45x",
                    "1.3x",
                    ratio,
                    "daemons, which bare containers start none of; a helper more",
                ),
            ),
            30,
            lambda runs, say: internet.of_containers(_there(client), runs, say),
            engine,
        ),
        *(
            Job(
                f"docker-{count}",
                (
                    Line(
                        f"{count} plain hosts on Docker / bare",
                        "1.03-1.22x",
                        "1.05x",
                        ratio,
                        "the engine",
                    ),
                    Line("the same down / removed", "", "", ratio, "the engine"),
                ),
                1.5 * count,
                functools.partial(_plain_containers, client, count),
                engine,
            )
            for count in (50, 200)
        ),
        Job(
            "import",
            (
                Line("`import playground`", "100-180 ms", "60 ms", seconds),
                Line("`from playground import Host, Lab, Link`", "", "", seconds, "its modules"),
            ),
            3,
            programs.importing,
        ),
        Job(
            "terminal",
            (
                Line(
                    "`playground run h1 -- true`",
                    "0.3-1.3 s",
                    "0.25 s",
                    seconds,
                    "imports",
                ),
                Line("`playground ls`", "0.3-1.3 s", "0.25 s", seconds, "imports"),
            ),
            15,
            programs.in_a_terminal,
        ),
        Job(
            "pings",
            (
                Line(
                    "1,000 hosts ping their router, the first time",
                    "3.7-6 s",
                    "1.5 s",
                    seconds,
                    "a million copies of broadcasts, 2 µs each",
                ),
                Line("the same, later", "3.7-6 s", "1.5 s", seconds, "a socket in each"),
                Line("one host more in a lab of 1,000", "-", "50 ms", seconds, "Python"),
            ),
            120,
            lambda runs, say: stars.growth(1000, runs, say),
            root,
        ),
        Job(
            "pairs",
            (
                Line(
                    "`lab.ping_all()` of 60 hosts (3,540 pairs)",
                    "-",
                    "5 s",
                    seconds,
                    "requests for MAC addresses",
                ),
            ),
            15,
            lambda runs, say: stars.all_pairs(60, runs, say),
        ),
        Job(
            "rules",
            (
                Line(
                    "1,000 rules replaced / `nft -f`",
                    "1.36-1.56x",
                    "1.15x",
                    ratio,
                    "our part is Python: the rules as text",
                ),
            ),
            3,
            lambda runs, say: [Measured(*live.replaced(runs * 4))],
            root,
        ),
        Job(
            "packets",
            (
                Line(
                    "100,000 packets into a table / tshark's list, UDP",
                    "0.80x",
                    "0.4x",
                    ratio,
                    "Python: a row for each",
                ),
                Line("the same, TCP", "0.80x", "0.4x", ratio, "Python: the state of connections"),
            ),
            30,
            packets.into_a_table,
        ),
        Job(
            "routers",
            tuple(
                Line(f"a connection {what} / a bare pair", today, reach, share, bound)
                for what, today, reach, bound in (
                    ("through a `Router`", "71 %", "80 %", "the kernel's forwarding: as by hand"),
                    ("through two pairs by hand", "", "", "the kernel"),
                    ("through a `Router` with NAT", "49 %", "65 %", "its connection tracking"),
                    ("with NAT by hand", "", "", "the kernel"),
                )
            ),
            60,
            _through_routers,
            root,
        ),
        Job(
            "planning",
            (
                Line("planning 3,000 routers, Internet-like", "-", "20 s", seconds, "Python"),
                Line("planning them again after one link", "", "", seconds, "Python"),
                Line("the difference of the two", "-", "0.5 s", seconds, "Python"),
            ),
            90,
            lambda runs, say: plans.internet(3000, runs, say),
        ),
    ]


def section(of: Sequence[Job], runs: int, say: Say, failed: list[str]) -> str:
    """Measure rows and return their part of the page; what failed is added to `failed`."""
    done = []
    for job in of:
        done.append(finish(job, runs, say))
        # What was measured is not lost when something ends the rest.
        say("\n".join(done[-1].rows))
    failed += [f"rows of {one.job.key}" for one in done if one.error]
    times = ",".join(f" {one.job.key} {one.took_s:.0f} s" for one in done)
    return SECTION.format(
        runs=runs,
        keys=",".join(job.key for job in of),
        minutes=sum(one.took_s for one in done) / 60,
        rows="\n".join(row for one in done for row in one.rows),
        times=f"{times}.",
    )


def _plain_containers(
    client: docker.APIClient | None, count: int, runs: int, say: Say
) -> list[Measured]:
    return internet.plain_containers(_there(client), count, runs, say)


def _there(client: docker.APIClient | None) -> docker.APIClient:
    assert client is not None
    return client


def _through_routers(runs: int, say: Say) -> list[Measured]:
    say("connections through routers")
    rates = throughput.measure(throughput.WAYS, (False,), runs)
    bare, _, *others = (rates[what, False] for what in throughput.WAYS)
    return [Measured(rate, bare) for rate in others]
