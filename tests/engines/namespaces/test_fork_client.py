"""Keepers are forked by a process that has imported what they need, and that ends in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground import Host, Lab, Link
from playground.engines.namespaces import labels
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.namespaces.fork_client import forks
from tests import census
from tests.census import has_ended, wait_until
from tests.facts import assert_can_ping

NAME = f"forks-{os.getpid()}"
CLONE = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def alone(namespaces_engine: NamespacesEngine) -> Iterator[None]:
    """Begin without a fork server, and end without one, by itself."""
    census.wait_for_fork_server()
    with census.adopting():
        before = census.take(NAME)
        yield
        census.wait_for_return(NAME, before)
        assert forks.pid is None


def lab(engine: NamespacesEngine, name: str = NAME, **more: bool) -> Lab:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    return Lab(h1, name=name, engine=engine, quiet=True, **more)


def parent_of_keeper(started: Lab) -> int:
    keeper = labels.find_keeper(started.id)
    fields = Path(f"/proc/{keeper}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1])


def server() -> int:
    assert forks.pid is not None
    return forks.pid


def test_the_next_lab_is_forked_by_the_server_of_the_one_before(
    namespaces_engine: NamespacesEngine,
) -> None:
    with lab(namespaces_engine) as first:
        of_first = server()
        assert parent_of_keeper(first) == of_first
    with lab(namespaces_engine) as second:
        assert parent_of_keeper(second) == of_first
        with lab(namespaces_engine, f"{NAME}-third") as third:
            assert parent_of_keeper(third) == of_first
        assert_can_ping(second.node("h1"), "h2")


def test_labs_outlive_a_server_that_is_killed_and_the_next_gets_another(
    namespaces_engine: NamespacesEngine,
) -> None:
    with lab(namespaces_engine) as first:
        killed = server()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: has_ended(killed))
        with lab(namespaces_engine, f"{NAME}-second") as second:
            assert server() != killed
            assert_can_ping(second.node("h1"), "h2")
        assert_can_ping(first.node("h1"), "h2")


def test_labels_are_found_however_long_a_name_is(namespaces_engine: NamespacesEngine) -> None:
    name = NAME + "x" * 20_000
    with lab(namespaces_engine):
        small = server()
        with lab(namespaces_engine, name) as long:
            assert server() != small
            (record,) = (found for found in namespaces_engine.labs() if found.id == long.id)
            assert record.name == name
            environ = Path(f"/proc/{labels.find_keeper(long.id)}/environ").read_bytes()
            assert environ.rstrip(b"\0").count(b"playground.lab=") == 1
            assert b"ROOM=" not in environ


def test_two_labs_that_start_at_once_have_one_server(namespaces_engine: NamespacesEngine) -> None:
    labs = [lab(namespaces_engine, f"{NAME}-{number}") for number in range(2)]
    threads = [threading.Thread(target=one.start) for one in labs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert [parent_of_keeper(one) for one in labs] == [server()] * 2
    finally:
        for one in labs:
            one.stop()


FORK = """
import os, sys
from playground import Host, Lab, Link
from playground.engines.namespaces.fork_client import forks

def lab(name):
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    return Lab(h1, name=name, engine="namespaces", quiet=True)

with lab(sys.argv[1]) as mine:
    server = forks.pid
    if os.fork() == 0:
        assert forks.pid is None
        with lab(sys.argv[1] + "-fork") as its:
            assert forks.pid != server
            print(its["h1"].ping("h2", count=1).received, flush=True)
        os._exit(0)
    os.wait()
    print(mine["h1"].ping("h2", count=1).received, flush=True)
"""


def test_a_fork_of_the_program_has_a_server_of_its_own() -> None:
    said = subprocess.run(
        [sys.executable, "-c", FORK, NAME],
        env={**os.environ, "PYTHONPATH": str(CLONE)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (said.stdout, said.stderr) == ("1\n1\n", "")
