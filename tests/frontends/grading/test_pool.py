"""Processes with limits, as many at once as may run."""

from __future__ import annotations

import os
import signal
import time

import pytest

from playground.engines.namespaces import cgroups
from playground.frontends.grading import pool
from playground.frontends.grading.pool import ChildLimits, run_children
from tests import machine

LIMITS = ChildLimits(60.0, 0)


def test_each_says_what_it_has_to_say() -> None:
    work = [lambda send, number=number: send({"is": number * number}) for number in range(5)]
    found = dict(run_children(work, 2, LIMITS))
    assert {key: end.said for key, end in found.items()} == {
        number: ({"is": number * number},) for number in range(5)
    }
    assert {end.reason for end in found.values()} == {""}


def test_what_takes_too_long_is_killed_and_what_it_said_is_kept() -> None:
    def slow(send) -> None:
        send({"first": 1})
        time.sleep(60)

    [(_, end)] = run_children([slow], 1, ChildLimits(0.5, 0))
    assert end.said == ({"first": 1},)
    assert end.reason == "it was not done after 0.5 s"


def test_one_that_dies_is_told_and_costs_no_other() -> None:
    def dies(send) -> None:
        send({"first": 1})
        os._exit(3)

    found = dict(run_children([dies, lambda send: send({"second": 2})], 1, LIMITS))
    assert found[0].reason == "the process that marked it died"
    assert found[1].said == ({"second": 2},)


def test_a_mistake_is_told_with_its_traceback() -> None:
    def wrong(send) -> None:
        raise ZeroDivisionError

    [(_, end)] = run_children([wrong], 1, LIMITS)
    assert "ZeroDivisionError" in end.said[0]["broken"]


def test_who_says_too_much_is_told_so(monkeypatch) -> None:
    def talks(send) -> None:
        send({"text": "x" * 2_000_000})
        time.sleep(60)

    monkeypatch.setattr(pool, "_MOST_BYTES", 1 << 20)
    [(_, end)] = run_children([talks], 1, LIMITS)
    assert end.reason == "it had more than 1 MB to say"


def test_who_is_killed_without_a_limit_of_memory_took_no_more_than_it_may() -> None:
    kill = lambda send: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
    [(_, end)] = run_children([kill], 1, ChildLimits(60.0, 64))
    assert end.reason == "the process that marked it was killed"


def test_long_answers_come_whole() -> None:
    [(_, end)] = run_children([lambda send: send({"text": "x" * 3_000_000})], 1, LIMITS)
    assert len(end.said[0]["text"]) == 3_000_000


def test_whoever_stops_early_leaves_no_child() -> None:
    before = machine.children()
    children = run_children([lambda send: time.sleep(60)] * 2, 2, ChildLimits(0.3, 0))
    next(children)
    assert machine.children() - before
    children.close()
    assert machine.children() - before == set()


@pytest.mark.skipif(
    cgroups.refusal({"memory_mb": 64, "processes": 10}) is not None,
    reason="this machine lets nobody make control groups",
)
def test_memory_and_processes_end_and_nothing_is_left() -> None:
    def takes(send) -> None:
        pids = []
        try:
            while len(pids) < 100:
                # Not forks: of a program as large as these tests, twenty take all the memory.
                pids.append(os.posix_spawn("/bin/sleep", ["sleep", "60"], {}))
        except OSError:
            send({"begun": len(pids)})
        bytearray(10**9)

    limits = ChildLimits(60.0, 64, processes=20, cgroup=f"grade-test-{os.getpid()}")
    [(_, end)] = run_children([takes], 1, limits)
    assert end.said[0]["begun"] < 20
    assert "more memory than the 64 MB" in end.reason
    cgroups.remove_lab(limits.cgroup)
    assert limits.cgroup not in cgroups.lab_ids()
