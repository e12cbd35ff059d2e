"""Statistics of queues as the kernel tells them: what passed, waits, and was marked."""

from __future__ import annotations

import struct
import subprocess
from typing import Any

import pytest

from playground.agent.links.netlink import attribute
from playground.agent.queues.impairments import impair
from playground.agent.queues.statistics import MOST_ROWS, marked, queues
from playground.model.impairment import Impairment
from playground.model.queues.classes import Classes, TrafficClass
from playground.model.queues.direction import request
from playground.model.queues.discipline import Queue
from playground.model.queues.link_queue import LinkQueue
from tests.support_agent import Namespaces, apart, cable, needs_root


def test_marks_are_where_each_kind_has_them() -> None:
    words = struct.pack("12I", *range(12))
    assert marked("fq_codel", words) == marked("red", words) == 3
    assert marked("pie", words) == 9
    assert marked("pfifo", words) == 0
    tins = b"".join(attribute(n, attribute(8, struct.pack("I", 10 * n))) for n in (1, 2))
    assert marked("cake", attribute(10, tins)) == 30


def look(h1: Namespaces) -> dict[str, Any]:
    [found] = apart(queues, [{"pid": h1.pid, "interface": "e0"}])
    assert isinstance(found, dict)
    return found


def give(h1: Namespaces, queue: LinkQueue) -> None:
    wanted = request(Impairment(rate_mbit=8), queue, 1500)
    where = {"pid": h1.pid, "interface": "e0", "watch": h1.pid}
    apart(impair, [{**where, "impairment": wanted, "before": None}])


@needs_root
def test_a_queue_and_its_classes_are_told_with_their_settings() -> None:
    with Namespaces("h1") as h1:
        cable(h1)
        assert look(h1)["classes"] == []
        give(h1, Queue(limit_packets=7))
        # The place below tbf is no class of traffic.
        found = look(h1)
        assert found["classes"] == []
        kinds = {one["kind"]: one["settings"] for one in found["queues"]}
        assert kinds["tbf"] == {"rate_mbit": 8}
        assert kinds["pfifo"] == {"limit_packets": 7}
        voice = TrafficClass("voice", 1, 2, dscp="EF")
        give(h1, Classes((voice, TrafficClass("rest", 3))))
        found = look(h1)
        rates = sorted(one["settings"]["rate_mbit"] for one in found["classes"])
        assert rates == [1, 3, 8]
        leaves = {one["leaf"] for one in found["classes"]} - {0}
        assert leaves == {one["handle"] for one in found["queues"] if one["kind"] == "pfifo"}


@needs_root
def test_a_host_that_has_made_very_many_classes_is_asked_for_some() -> None:
    with Namespaces("h1") as h1:
        cable(h1)
        lines = ["qdisc add dev e0 root handle 1: htb"]
        lines += [
            f"class add dev e0 parent 1: classid 1:{n:x} htb rate 1mbit quantum 1500"
            for n in range(1, MOST_ROWS + 50)
        ]
        with h1.network():
            subprocess.run(["tc", "-b", "-"], input="\n".join(lines), text=True, check=True)
        assert len(look(h1)["classes"]) == MOST_ROWS


@pytest.mark.parametrize("kind", ["pfifo", "hhf"])
def test_a_kind_without_marks_has_none(kind: str) -> None:
    assert marked(kind, b"") == 0
