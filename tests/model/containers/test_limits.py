"""Limits of a host: what may be said of them, and that they hold."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from playground import CommandFailed, Host, Lab, Link
from playground.engines.namespaces import cgroups
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.namespaces.filesystems import disk_limits
from playground.engines.seam import Engine
from playground.errors import AgentError, TopologyError
from playground.model.containers.limits import DEFAULT_PROCESSES, NO_LIMITS, Limits, make_limits


def test_nothing_said_is_no_limit() -> None:
    assert make_limits("h1", None, None, None) == NO_LIMITS
    assert not NO_LIMITS


def test_each_can_be_said_alone() -> None:
    assert make_limits("h1", 64, None, None) == Limits(memory_mb=64)
    assert make_limits("h1", None, 2, None) == Limits(cpus=2.0)
    assert make_limits("h1", None, None, 100) == Limits(processes=100)
    assert Limits(processes=100)


@pytest.mark.parametrize("memory_mb", [0, 5, -64, 64.0, "64", "64m", True, float("nan")], ids=repr)
def test_memory_that_cannot_be(memory_mb: object) -> None:
    with pytest.raises(
        TopologyError, match=r"h1: memory_mb=.* is no whole number of megabytes, 6 "
    ):
        make_limits("h1", memory_mb, None, None)


@pytest.mark.parametrize("cpus", [0, -1, 0.001, "0.5", True, float("nan"), float("inf")], ids=repr)
def test_processors_that_cannot_be(cpus: object) -> None:
    with pytest.raises(
        TopologyError, match=r"h1: cpus=.* is no number of processors, 0.01 or more"
    ):
        make_limits("h1", None, cpus, None)


@pytest.mark.parametrize("processes", [0, 7, -1, 100.0, "100", True, [100]], ids=repr)
def test_processes_that_cannot_be(processes: object) -> None:
    with pytest.raises(
        TopologyError, match=r"h1: processes=.* is no whole number of processes, 8 "
    ):
        make_limits("h1", None, None, processes)


# -- that they hold -----------------------------------------------------------

MEMORY_MB, PROCESSES = 64, 50


@pytest.fixture
def neighbours(engine: Engine) -> Iterator[tuple[Host, Host]]:
    """Two hosts of a lab; the first has limits."""
    h1 = Host("h1", memory_mb=MEMORY_MB, cpus=0.5, processes=PROCESSES)
    h2 = Host("h2")
    Link(h1, h2)
    with Lab(h1, quiet=True):
        yield h1, h2


FORK_BOMB = """
import os, signal
children = []
try:
    while len(children) < 1000:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        children.append(pid)
except BlockingIOError:
    print("stopped at", len(children), flush=True)
input()
for pid in children:
    os.kill(pid, signal.SIGKILL)
"""


def test_a_fork_bomb_ends_in_its_host(neighbours: tuple[Host, Host]) -> None:
    h1, h2 = neighbours
    with h1.start(["python3", "-I", "-S", "-c", FORK_BOMB]) as bomb:
        said, _, count = next(iter(bomb.stdout)).rpartition(" ")
        assert said == "stopped at"
        assert PROCESSES - 10 < int(count) < PROCESSES
        # All that while its neighbour goes on.
        assert h2.run("echo whole").stdout == "whole\n"
        assert h2.ping(h1)
        bomb.write("\n")
        bomb.wait(20)
    assert h1.run("echo whole again").stdout == "whole again\n"


def test_what_a_bomb_left_is_ended_where_nothing_can_start(engine: Engine) -> None:
    h1, h2 = Host("h1", processes=60), Host("h2")
    Link(h1, h2)
    with Lab(h1, name="bomb", engine=engine, quiet=True), ExitStack() as last:
        h1.run("for i in $(seq 60); do sleep 600 & done", check=False)
        with pytest.raises(AgentError, match=r"as many processes as it may .*h1\.kill_background"):
            for _ in range(60):
                last.enter_context(h1.start(["sleep", "600"]))
        assert h1.kill_background() > 30
        assert h1.run("echo whole again").stdout == "whole again\n"
        assert (h1.kill_background(), h2.kill_background()) == (0, 0)


@pytest.mark.parametrize("shape", ["exec", "shell"])
def test_who_takes_more_memory_than_the_host_has_is_killed(
    neighbours: tuple[Host, Host], shape: str
) -> None:
    h1, h2 = neighbours
    greedy = ["python3", "-I", "-S", "-c", f"bytearray({4 * MEMORY_MB} << 20)"]
    command = greedy if shape == "exec" else f"{shlex.join(greedy)}; exit $?"
    with pytest.raises(CommandFailed, match=f"more memory than h1 has with memory_mb={MEMORY_MB}"):
        h1.run(command)
    assert h1.run("echo whole").stdout == "whole\n"
    assert h2.run(command).ok


def test_files_in_memory_are_not_the_end_of_their_host(neighbours: tuple[Host, Host]) -> None:
    """Nobody gives them back: at the limit whatever starts there is killed."""
    h1, _ = neighbours
    for folder in ("/dev/shm", "/run/playground", "/var/tmp"):
        filled = f"dd if=/dev/zero of={folder}/all bs=1M count={2 * MEMORY_MB}"
        said = h1.run(filled, check=False)
        if folder != "/var/tmp" or not said.ok:  # Docker's is a disk
            assert "No space left on device" in said.stderr
    assert h1.run("echo whole").stdout == "whole\n"


@pytest.mark.parametrize("memory_mb", [6, 64, 1000, 1 << 20, None])
def test_what_a_host_may_write_ends_before_its_memory(memory_mb: int | None) -> None:
    sizes = disk_limits.sizes_within(memory_mb)
    whole_kb = sizes.disk_kb + sizes.lab_kb + sizes.shared_kb + sizes.devices_kb
    assert whole_kb <= disk_limits.DISK_LIMIT_MB << 10
    assert min(sizes) > 64
    if memory_mb is not None:
        assert whole_kb <= memory_mb << 9
        assert sizes.files + 3 * sizes.files_of_parts <= memory_mb << 8  # of 1 kB each


def test_a_host_without_a_word_has_the_usual_number_of_processes(
    namespaces_engine: NamespacesEngine,
) -> None:
    # On Docker: tests/engines/docker/test_engine.py.
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    with Lab(h1, quiet=True) as lab:
        hierarchy = cgroups.find_hierarchies()["pids"]
        assert hierarchy is not None
        group = Path(hierarchy.folder, "playground", lab.id, "host.h1")
        assert (group / "pids.max").read_text() == f"{DEFAULT_PROCESSES}\n"
        assert (group / "cgroup.procs").read_text() != ""
