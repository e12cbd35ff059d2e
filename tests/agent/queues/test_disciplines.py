"""Options of queues: what is told is read back, and RED's numbers are those of tc."""

from __future__ import annotations

import pytest

from playground.agent.links.netlink import attributes
from playground.agent.queues.disciplines import (
    RED_PARMS,
    discipline_options,
    read_discipline,
    red_idle_table,
    red_weight,
)
from playground.model.queues.discipline import KINDS, Queue


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_queue_is_told_is_read_back(kind: str) -> None:
    queue = Queue(kind)
    told = discipline_options(queue.request(8))
    assert {**queue.settings(), **({"rate_mbit": 8} if queue.shapes else {})} == read_discipline(
        kind, told
    )


def test_what_others_are_told_is_not_read() -> None:
    assert read_discipline("hhf", b"") == {}


# As `strace tc qdisc replace dev d0 root red limit 240000 min 30000 max 90000 avpkt 1000 burst 51
# bandwidth 8000kbit probability 0.1` of iproute2 6.1 shows it.
TC_RED = bytes.fromhex("80a9030030750000905f010005140f00")


def test_red_is_told_what_tc_tells_it() -> None:
    told = attributes(discipline_options(Queue("red").request(8)))
    assert told[RED_PARMS] == TC_RED


def test_reds_mean_falls_the_further_the_longer_the_queue_was_empty() -> None:
    table, scale = red_idle_table(red_weight(30_000, 90_000), 8)
    assert (len(table), table[0], table[-1]) == (256, 0, 31)
    assert list(table) == sorted(table)
    # A slower link needs longer for as many frames.
    assert red_idle_table(5, 1)[1] == scale + 3
