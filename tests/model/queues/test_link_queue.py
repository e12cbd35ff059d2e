"""Both things that frames wait in can be asked the same."""

from __future__ import annotations

import pytest

from playground.model.queues.classes import Classes, TrafficClass
from playground.model.queues.direction import from_data
from playground.model.queues.discipline import Queue
from playground.model.queues.link_queue import LinkQueue


@pytest.mark.parametrize(
    ("queue", "promised", "names"),
    [(Queue("sfq"), 0, {}), (Classes((TrafficClass("rest", 2),)), 2, {0x10: "rest"})],
)
def test_what_a_link_is_told_of_its_queue_can_be_asked(
    queue: LinkQueue, promised: float, names: dict[int, str]
) -> None:
    assert queue.promised_mbit == promised
    assert queue.class_names() == names
    [first, *_] = queue.as_shell("eth0", "root", "7067:", 8, 1500)
    assert first.startswith("tc qdisc replace")
    assert queue.request(8, 1500)["kind"] in queue.needs
    assert from_data(queue.data()) == queue
