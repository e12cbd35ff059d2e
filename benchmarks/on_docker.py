"""Measure labs on Docker against the bare containers that they are made of.

Part of ``scripts/bench``; `measure.py` puts it on the page.

"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from side_by_side import Row, timed

import playground
from playground import Host, Lab, Link, Switch
from playground.display.progress import make_progress
from playground.engines.images import helper_image, image_for
from playground.examples import miniature_internet

# Only where a Docker engine is measured.
if TYPE_CHECKING:
    import docker

# As many requests at a time as the library itself sends.
THREADS = 6

DOCKER = """\
## Docker

| what / against what | playground | the other side | ratio | to reach |
|---|---|---|---|---|
{rows}

Bare containers are created and started through docker-py with {threads} threads, from the same
images, without any network; they are removed by force, with as many threads.
"""


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
        ours_up.append(timed(lab.start)[0])
        ours_down.append(timed(lab.stop)[0])

    def bare() -> None:
        containers = BareContainers(client, tags)
        try:
            bare_up.append(timed(containers.up)[0])
        finally:
            took = timed(containers.down)[0]
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
            ours += [timed(lambda: h1.run("true"))[0] for _ in range(10)]
            theirs += [timed(by_exec)[0] for _ in range(10)]
    return Row('`h1.run("true")` / `docker exec` through the API', ours, theirs, "20x faster", True)


def section(client: docker.APIClient, runs: int, say: Callable[[str], None]) -> str:
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


def connected() -> docker.APIClient:
    """Return a client of the engine, once it has the images."""
    import docker

    client = docker.from_env(timeout=120).api
    images = [helper_image(), image_for(())]
    plan = miniature_internet(quiet=True, engine="docker").plan()
    images += [image_for(item.service for item in node.services) for node in plan.nodes]
    playground.DockerEngine().ensure_images(list(dict.fromkeys(images)), make_progress())
    return client
