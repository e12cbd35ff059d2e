"""Faults of queues: one that is full and drops, one whose class of traffic starves.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from playground.operations.diagnosis.evidence.queue_looks import QueueLook
from playground.operations.diagnosis.faults.advised_calls import link_call
from playground.operations.diagnosis.faults.walk import Fault, Walk
from playground.planning.plan_parts import WireEnd, WirePlan

# As long as explain waits for a packet that nothing delays; what takes longer seems lost.
_LONG_S = 0.3


def full_queue(walk: Walk, wires: Sequence[tuple[WirePlan, WireEnd, WireEnd]]) -> Fault | None:
    """Return the fault of a queue, on these links in this direction, that dropped or held it.

    It is lost before it leaves, and nobody sees it; but the queue counts.

    """
    for wire, here, there in wires:
        looks = walk.facts.queues.get((here.node, here.interface), ())
        # The last that drops is the one below all others, or a class.
        if dropping := [one for one in looks if one.dropped]:
            return _drops(walk, wire, here, there, dropping[-1])
        slow = max(looks, key=lambda one: one.wait_s, default=None)
        if slow is not None and slow.wait_s > _LONG_S:
            return _starves(walk, wire, here, there, slow)
    return None


def _named(one: QueueLook, there: WireEnd) -> str:
    if one.traffic_class:
        return f"the class {one.traffic_class} of its link to {there.node}"
    return f"the queue ({one.queue}) of its link to {there.node}"


def _drops(walk: Walk, wire: WirePlan, here: WireEnd, there: WireEnd, one: QueueLook) -> Fault:
    walk.step(here.node, "queue", f"{one.dropped} dropped, {one.waiting_packets} wait", False)
    call = link_call(walk.facts, wire)
    return Fault(
        here.node,
        "queue",
        f"{here.node} drops packets from {_named(one, there)}: more comes than leaves, "
        f"{one.waiting_packets} wait, and {one.dropped} were dropped while this one was on its "
        "way.",
        f"Look at `{call}.queues`.  Send less, make the link faster "
        f'(`{call}.impair(rate_mbit=...)`), keep flows apart (`{call}.queue("fq_codel")`), or '
        f"promise these packets a rate of their own (`{call}.classes(...)`).",
    )


def _starves(walk: Walk, wire: WirePlan, here: WireEnd, there: WireEnd, one: QueueLook) -> Fault:
    walk.step(here.node, "queue", f"{one.waiting_packets} wait, for {one.wait_s:.1f} s", False)
    call = link_call(walk.facts, wire)
    whose = "promise that class more" if one.traffic_class else "give it a shorter queue"
    return Fault(
        here.node,
        "queue",
        f"At {here.node} {one.waiting_packets} packets wait in {_named(one, there)}, which takes "
        f"{one.wait_s:.1f} s at its rate: this one stands behind them.",
        f"Look at `{call}.queues`, and wait until it is empty; or {whose}.",
    )
