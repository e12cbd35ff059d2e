"""A packet that a full queue drops: `explain` names the queue, and where it is."""

from __future__ import annotations

from playground.engines.namespaces.engine import NamespacesEngine
from playground.lab.lab import Lab
from playground.operations.network import Host, Link, Router

# Ten times what the link carries, in packets of which the queue is full at once.
FLOOD = """
import socket, sys, time
line = socket.socket(type=socket.SOCK_DGRAM)
print("begun", flush=True)
while True:
    for _ in range(20):
        line.sendto(bytes(500), (sys.argv[1], 9))
    time.sleep(0.02)
"""


def test_a_full_queue_is_named(namespaces_engine: NamespacesEngine) -> None:
    h1, r, h2 = Host("h1"), Router("r"), Host("h2")
    Link(h1, r)
    narrow = Link(r, h2)
    narrow.impair(rate_mbit=0.1, toward=h2)
    narrow.queue("pfifo", limit_packets=3, toward=h2)
    with Lab(h1, quiet=True, engine=namespaces_engine) as lab:
        assert lab.explain(h1, h2).ok
        with h1.start(["python3", "-c", FLOOD, str(h2.address)]) as flood:
            assert flood.stdout.readline() == "begun"
            # One of many packets may find a place.
            found = next((one for _ in range(8) if not (one := lab.explain(h1, h2)).ok), None)
    assert found is not None
    assert (found.node, found.cause) == ("r", "queue")
    assert "r drops packets from the queue (pfifo) of its link to h2" in found.sentence
    assert "lab.link('r', 'h2').queues" in found.advice
