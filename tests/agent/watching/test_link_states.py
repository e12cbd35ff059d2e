"""States and counters of interfaces, in short."""

from __future__ import annotations

from playground.agent.links.interfaces import interfaces
from playground.agent.watching.link_states import link_states
from tests.support_agent import Namespaces, needs_root


@needs_root
def test_it_tells_the_same_as_asking_for_one(pair: tuple[Namespaces, Namespaces]) -> None:
    h1, _ = pair
    gone = 2**22 + 1  # more than any process has: proc(5), "pid_max"
    states, none = link_states([h1.pid, gone])
    assert none is None
    assert states is not None
    assert "lo" in states
    for name, (passes, received, sent, queue) in states.items():
        [row] = interfaces([{"pid": h1.pid, "interface": name}])
        assert passes == (row["up"] and row["carrier"])
        assert (received, sent) <= (row["statistics"]["rx_bytes"], row["statistics"]["tx_bytes"])
        assert isinstance(queue, str)
