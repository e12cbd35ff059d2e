"""One direction of a link: its impairment and its queue together.  Pure.

What leaves by an interface passes, in this order: delay and losses (netem, or a filter and a
relay), the rate (tbf), and the queue that waits for it.  A queue that keeps a rate by itself
needs no tbf.

"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from playground.errors import TopologyError
from playground.model.impairment import NO_IMPAIRMENT, Impairment
from playground.model.queues.classes import Classes, TrafficClass
from playground.model.queues.discipline import Queue
from playground.model.queues.link_queue import LinkQueue

# What netem holds above a queue is on its way, and waits for nothing: so many frames, for the
# memory of the machine.
NETEM_PACKETS = 20_000

# The first of the numbers by which queues are known as ours (agent.links.queues, OWN_HANDLE).
FIRST_HANDLE = 0x7067


def refuse_together(here: str, impairment: Impairment, queue: LinkQueue | None) -> None:
    """Raise `TopologyError` where an impairment and a queue of one direction contradict."""
    if queue is None:
        return
    if impairment.queue_packets is not None:
        raise TopologyError(
            f"{here}: queue_packets={impairment.queue_packets} of impair() is the limit of a plain "
            "queue, and the link was told of another; leave it out, and give that one a limit, "
            f"or take it away: link.queue(None)"
        )
    rate = impairment.rate_mbit
    if rate is not None and queue.promised_mbit > rate:
        raise TopologyError(
            f"{here}: its classes are promised {queue.promised_mbit:g} Mbit/s in all, and the link "
            f"has rate_mbit={rate:g}; promise less, or make the link faster"
        )


def waits(impairment: Impairment) -> bool:
    """Tell whether frames are delayed or lost for another reason than a rate."""
    return bool(dataclasses.replace(impairment, rate_mbit=None, queue_packets=None))


def request(
    impairment: Impairment | None, queue: LinkQueue | None, mtu_bytes: int
) -> dict[str, Any] | None:
    """Return a direction as the agent takes it; None for a plain cable."""
    if queue is None:
        return impairment.request(mtu_bytes) if impairment else None
    said = impairment or NO_IMPAIRMENT
    wanted = queue.request(said.rate_mbit, mtu_bytes)
    wanted |= {"shapes": queue.shapes, "netem_packets": NETEM_PACKETS}
    return said.request(mtu_bytes) | {"queue": wanted}


def as_shell(
    impairment: Impairment | None,
    queue: LinkQueue | None,
    interface: str,
    by: Sequence[str],
    mtu_bytes: int,
) -> tuple[str, ...]:
    """Return the tc(8) commands that do it in these ways, netem's if ``by`` is empty."""
    if queue is None:
        return impairment.as_done(interface, by, mtu_bytes) if impairment else ()
    return tuple(_stages(impairment or NO_IMPAIRMENT, queue, interface, by, mtu_bytes))


def _stages(
    impairment: Impairment, queue: LinkQueue, interface: str, by: Sequence[str], mtu_bytes: int
) -> Iterator[str]:
    rate = impairment.rate_mbit
    handles = (f"{FIRST_HANDLE + number:x}:" for number in range(3))
    rest = dataclasses.replace(impairment, rate_mbit=None)
    where, handle = "root", next(handles)
    if waits(impairment):
        if not by or "netem" in by:
            netem = dataclasses.replace(rest, queue_packets=NETEM_PACKETS)
            yield netem.as_shell(interface).replace(" root ", f" root handle {handle} ")
            where, handle = f"parent {handle}1", next(handles)
        else:
            others = [way for way in by if way in ("filter", "relay")]
            yield from rest.as_done(interface, others, mtu_bytes)
    start = f"tc qdisc replace dev {interface}"
    if rate is not None and not queue.shapes:
        said = impairment.request(mtu_bytes)
        yield (
            f"{start} {where} handle {handle} tbf rate {rate * 1e6:.0f}bit "
            f"burst {said['burst_bytes']} limit {said['queue_bytes']}"
        )
        where, handle = f"parent {handle}1", next(handles)
    yield from queue.as_shell(interface, where, handle, rate, mtu_bytes)


def from_data(data: Mapping[str, Any] | None) -> LinkQueue | None:
    """Return what `Queue.data` and `Classes.data` have written down.

    >>> from_data(Queue("pie", target_ms=20).data())
    Queue('pie', target_ms=20)

    """
    if data is None:
        return None
    if "scheduler" not in data:
        return Queue(**data)
    classes = (
        TrafficClass(**{**one, "queue": Queue(**one["queue"]) if one["queue"] else None})
        for one in data["classes"]
    )
    return Classes(tuple(classes), data["scheduler"])
