"""What queues of a lab's links held and dropped while one packet was on its way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from playground.model.queues.link_queue import LinkQueue
from playground.model.records import dataclass
from playground.operations.connection.client import Client
from playground.operations.links.queue_statistics import QueueStatistics, queue_rows
from playground.planning.plan import Plan
from playground.planning.plan_parts import WireEnd, WirePlan

# Where frames leave: the node or switch, and its interface.
Place = tuple[str, str]

# A wait that is longer is not waited for.
MOST_S = 5.0


@dataclass(frozen=True)
class QueueLook:
    """One queue, or class of traffic, where frames leave by a link, while a packet was sent.

    ``wait_s`` is how long what it holds takes to leave, by the rate that it is promised;
    ``dropped`` what it has dropped meanwhile.

    """

    queue: str
    traffic_class: str
    settings: str
    waiting_packets: int
    wait_s: float
    dropped: int


@dataclass(frozen=True)
class QueuedDirection:
    """One direction of a link in which frames may wait: where they leave, and at which rate."""

    wire: WirePlan
    leaves: WireEnd
    toward: WireEnd
    rates_mbit: Mapping[str, float | None]

    @property
    def place(self) -> Place:
        """The node or switch, and its interface."""
        return self.leaves.node, self.leaves.interface


def queued_directions(plan: Plan) -> Iterator[QueuedDirection]:
    """Yield the directions of a plan's links in which frames wait for a rate, or in a queue.

    Their rates are by the names of classes; "" is the whole link.

    """
    for wire in plan.wires:
        for impairment, queue, leaves, toward in (
            (wire.toward_a, wire.queue_a, wire.b, wire.a),
            (wire.toward_b, wire.queue_b, wire.a, wire.b),
        ):
            rate = None if impairment is None else impairment.rate_mbit
            if rate is None and queue is None:
                continue
            rates: dict[str, float | None] = {"": rate}
            if queue is not None:
                rates |= queue.class_rates()
            yield QueuedDirection(wire, leaves, toward, rates)


def read_queues(
    agent: Client, plan: Plan, pids: Mapping[str, int]
) -> dict[Place, list[QueueStatistics]]:
    """Ask the kernels for the queues where frames may wait; nobody is asked where none may."""
    wanted = [
        one
        for one in queued_directions(plan)
        if one.leaves.node in pids or one.leaves.node in plan.switch_names
    ]
    if not wanted:
        return {}
    ends = [{"pid": pids.get(one.leaves.node), "interface": one.leaves.interface} for one in wanted]
    answers = agent.call("queues", ends=ends)
    return {
        one.place: [*queue_rows(one.toward.node, _queue(one), answer)]
        for one, answer in zip(wanted, answers, strict=True)
    }


def _queue(one: QueuedDirection) -> LinkQueue | None:
    return one.wire.queue_a if one.toward is one.wire.a else one.wire.queue_b


def compare_queues(
    plan: Plan,
    before: Mapping[Place, Sequence[QueueStatistics]],
    after: Mapping[Place, Sequence[QueueStatistics]],
) -> dict[Place, tuple[QueueLook, ...]]:
    """Return what happened in each queue between two looks."""
    rates = {one.place: one.rates_mbit for one in queued_directions(plan)}
    found = {}
    for place, rows in after.items():
        old = {(row.queue, row.traffic_class): row.dropped for row in before.get(place, ())}
        found[place] = tuple(
            QueueLook(
                row.queue,
                row.traffic_class,
                row.settings,
                row.waiting_packets,
                _wait_s(row, rates.get(place, {})),
                max(0, row.dropped - old.get((row.queue, row.traffic_class), row.dropped)),
            )
            for row in rows
        )
    return found


def longest_wait_s(plan: Plan, rows: Mapping[Place, Sequence[QueueStatistics]]) -> float:
    """Return how long a packet may wait in all queues, one after the other."""
    rates = {one.place: one.rates_mbit for one in queued_directions(plan)}
    return sum(
        max((_wait_s(row, rates.get(place, {})) for row in here), default=0.0)
        for place, here in rows.items()
    )


def _wait_s(row: QueueStatistics, rates: Mapping[str, float | None]) -> float:
    rate = rates.get(row.traffic_class)
    return min(MOST_S, row.waiting_bytes * 8 / (rate * 1e6)) if rate else 0.0
