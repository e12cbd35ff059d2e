"""Echo requests from nodes to many addresses, by one process."""

from __future__ import annotations

import errno
from typing import Any

from playground.agent.network.applied_settings import network
from playground.agent.watching.echoes import echo_all
from tests.support_agent import Namespaces, apart, needs_root, node


def asked(pid: int, *targets: str, count: int = 1, timeout_s: float = 0.2) -> list[dict[str, Any]]:
    [rows] = apart(echo_all, [{"pid": pid, "targets": targets}], count, 0.01, timeout_s)
    assert isinstance(rows, list)
    return rows


@needs_root
def test_who_answers_who_is_silent_and_to_whom_there_is_no_way(wired: Namespaces) -> None:
    apart(network, [node(wired.pid, "10.0.0.1/24", interface="e0")])
    own, silent, nowhere = asked(wired.pid, "127.0.0.1", "10.0.0.77", "203.0.113.5")
    assert (own["sent"], len(own["rtts_ms"]), own["problem"]) == (1, 1, None)
    assert 0 <= own["rtts_ms"][0] < 1000
    assert (silent["sent"], silent["rtts_ms"]) == (1, [])
    assert nowhere == {
        "sent": 0,
        "rtts_ms": [],
        "problem": {"errno": errno.ENETUNREACH, "message": "Network is unreachable"},
    }


@needs_root
def test_each_target_is_asked_as_often_as_is_wanted(wired: Namespaces) -> None:
    for row in asked(wired.pid, "127.0.0.1", "127.0.0.2", count=3):
        assert (row["sent"], len(row["rtts_ms"])) == (3, 3)


@needs_root
def test_of_many_pairs_the_kernel_keeps_no_neighbours(wired: Namespaces) -> None:
    targets = [f"127.0.{number // 250}.{number % 250 + 1}" for number in range(300)]
    rows = asked(wired.pid, *targets)
    assert [row["rtts_ms"] for row in rows if len(row["rtts_ms"]) != 1] == []


@needs_root
def test_a_node_that_asks_nobody(wired: Namespaces) -> None:
    assert asked(wired.pid) == []
