"""Queueing disciplines, as messages name them."""

from __future__ import annotations

from playground.agent.links.queues import queue_body


def test_a_queue_is_named_by_its_interface() -> None:
    assert len(queue_body(7, 0xFFFFFFFF)) == 20  # struct tcmsg
    assert int.from_bytes(queue_body(7, 0xFFFFFFFF)[4:8], "little") == 7
