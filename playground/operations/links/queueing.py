"""Queues of a link: given, taken away, and read with their statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from playground.display.tables import Table
from playground.operations.connection.handles import LiveWire

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from playground.model.impairment import Impairment
    from playground.model.queues.classes import TrafficClass
    from playground.model.queues.discipline import Queue
    from playground.model.queues.link_queue import LinkQueue
    from playground.operations.links.queue_samples import QueueSamples
    from playground.operations.links.queue_statistics import QueueStatistics


class QueuedLink(Protocol):
    """A link, as far as the functions here need it."""

    _queues: tuple[LinkQueue | None, LinkQueue | None]

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def declared_queues(self) -> tuple[LinkQueue | None, LinkQueue | None]: ...

    @property
    def declared_impairments(self) -> tuple[Impairment, Impairment]: ...

    def _running(self) -> LiveWire: ...

    def _changing(self) -> AbstractContextManager[LiveWire | None]: ...

    def _sides(self, toward: Any) -> tuple[int, ...]: ...


def queue(
    link: QueuedLink,
    kind: str | Queue | None,
    *,
    limit_packets: int | None = None,
    limit_bytes: int | None = None,
    min_bytes: int | None = None,
    max_bytes: int | None = None,
    probability_percent: float | None = None,
    target_ms: float | None = None,
    interval_ms: float | None = None,
    rtt_ms: float | None = None,
    flows: int | None = None,
    perturb_s: int | None = None,
    diffserv: str | None = None,
    ecn: bool | None = None,
    toward: Any = None,
    replace: bool = False,
) -> None:
    """Choose in which queue frames wait for the link, in both directions or ``toward`` one node.

    ``kind`` is "pfifo", "fq_codel", "pie", "red", "sfq" or "cake", or a `Queue`; which settings
    each takes stands there.  None takes the queue away.  A call replaces what an earlier one,
    or `classes`, has set.  Frames wait only where they come faster than the link carries them:
    say ``link.impair(rate_mbit=10)`` too.

    Raises `TopologyError` for what cannot be, `EngineError` if the kernel has no such queue (and
    says which module brings it), `AgentError` if somebody has set a queue there by hand, unless
    ``replace`` says that it may go.  All is then as it was.  Source: tc(8), and those of `Queue`.

    >>> link.impair(rate_mbit=10)
    >>> link.queue("pfifo", limit_packets=20)
    >>> link.queues[1].settings
    'limit_packets=20'

    """
    from playground.errors import TopologyError
    from playground.model.arguments import shown
    from playground.model.queues.discipline import Queue

    said = {
        "limit_packets": limit_packets,
        "limit_bytes": limit_bytes,
        "min_bytes": min_bytes,
        "max_bytes": max_bytes,
        "probability_percent": probability_percent,
        "target_ms": target_ms,
        "interval_ms": interval_ms,
        "rtt_ms": rtt_ms,
        "flows": flows,
        "perturb_s": perturb_s,
        "diffserv": diffserv,
        "ecn": ecn,
    }
    wanted: Queue | None
    if kind is None or isinstance(kind, Queue):
        if given := [name for name, value in said.items() if value is not None]:
            raise TopologyError(
                f"{link!r}: {given[0]}= is for a queue that is named by its kind, as in "
                f'link.queue("pfifo", limit_packets=20), and not for {shown(kind)}'
            )
        wanted = kind
    else:
        wanted = Queue(kind, **said)  # type: ignore[arg-type]  # checked there
    give_queue(link, wanted, toward, replace)


def classes(
    link: QueuedLink,
    *classes: TrafficClass,
    scheduler: str = "htb",
    toward: Any = None,
    replace: bool = False,
) -> None:
    """Share the link among classes of traffic, in both directions or ``toward`` one node.

    What a class is promised and which packets are its own stands in `TrafficClass`; one of them has
    all packets that fit no other.  What they share is the rate of the link:
    ``link.impair(rate_mbit=10)``.  The ``scheduler`` is "htb" or "hfsc".  A call replaces what an
    earlier one, or `queue`, has set; without classes it takes them away.

    Raises as `queue`.  Source: tc-htb(8), tc-hfsc(8), tc-u32(8).

    >>> link.impair(rate_mbit=10)
    >>> link.classes(
    ...     TrafficClass("voice", rate_mbit=1, dscp="EF"),
    ...     TrafficClass("rest", rate_mbit=5),
    ... )

    """
    from playground.model.queues.classes import Classes

    wanted = Classes(classes, scheduler) if classes else None
    give_queue(link, wanted, toward, replace)


def give_queue(
    link: QueuedLink, wanted: LinkQueue | None, toward: Any = None, replace: bool = False
) -> None:
    """Give a link a queue or classes; see `queue`."""
    sides = link._sides(toward)
    with link._changing() as live:
        first, second = (
            wanted if side in sides else now for side, now in enumerate(link.declared_queues)
        )
        if wanted is not None:
            from playground.model.queues.direction import refuse_together

            for side in sides:
                refuse_together(repr(link), link.declared_impairments[side], wanted)
        if live is not None:
            live.lab.change_wire(live, queues=(first, second), replace_queues=replace)
        link._queues = (first, second)


def queues(link: QueuedLink) -> Table[QueueStatistics]:
    """The queues of both directions, as the kernel has them, with their statistics.

    A row for each queue, from the first that a frame passes, and for each class of traffic.  Raises
    `NotRunning` if the link is not up in a running lab.

    >>> link.queue("pfifo", limit_packets=20, toward=h1)
    >>> [(row.toward, row.queue, row.settings) for row in link.queues]
    [('h1', 'pfifo', 'limit_packets=20')]

    """
    from playground.operations.links.queue_statistics import queue_rows

    live = link._running()
    wire = live.wire
    # Frames toward an end wait where they leave the other.
    answers = live.agent.call("queues", ends=live.ends[::-1])
    directions = zip(link.names, (wire.queue_a, wire.queue_b), answers, strict=True)
    return Table(
        row for name, planned, answer in directions for row in queue_rows(name, planned, answer)
    )


def watch_queues(link: QueuedLink, interval_s: float = 0.1) -> QueueSamples:
    """Sample the queues and classes of the link while a block runs.

    A row for each queue every ``interval_s`` seconds, with what left it, waits in it, and
    was dropped or marked; and a plot of them::

        with link.watch_queues() as samples:
            h1.run("iperf3 -c www -t 3")
        samples.plot()              # throughput, a line for each class
        samples.plot("queue")       # packets that wait

    Raises `NotRunning` as `queues`, `BadArgument` for an interval of less than 5 ms.

    """
    from playground.operations.links.queue_samples import watch_queues

    live = link._running()
    return watch_queues(live, link.names, interval_s)
