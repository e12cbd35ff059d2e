"""Queues of a link: given, taken away, and read with their statistics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from playground.display.tables import Table
from playground.model.records import dataclass
from playground.operations.connection.handles import LiveWire

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from playground.model.impairment import Impairment
    from playground.model.queues.classes import TrafficClass
    from playground.model.queues.discipline import Queue
    from playground.model.queues.link_queue import LinkQueue


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


@dataclass(frozen=True)
class QueueStatistics:
    """A queue where frames leave toward a node, or a class of traffic, and what it has counted.

    ``queue`` is its kind in tc(8), ``traffic_class`` the name of the class whose queue it is, ""
    for one that has all frames.  ``settings`` are those that the kernel has.  Counters are
    since the queue was made: frames with their Ethernet headers; ``marked`` are those that
    were not dropped but marked (ECN, RFC 3168), ``waiting_packets`` and ``waiting_bytes``
    what is in it at this moment.

    """

    toward: str
    queue: str
    traffic_class: str
    settings: str
    sent_packets: int
    sent_bytes: int
    dropped: int
    marked: int
    waiting_packets: int
    waiting_bytes: int


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
    live = link._running()
    wire = live.wire
    # Frames toward an end wait where they leave the other.
    answers = live.agent.call("queues", ends=live.ends[::-1])
    directions = zip(link.names, (wire.queue_a, wire.queue_b), answers, strict=True)
    return Table(
        row for name, planned, answer in directions for row in queue_rows(name, planned, answer)
    )


# Those that are no queues: a cable that takes all at once, and hooks for filters.
_NONE = ("noqueue", "clsact", "ingress")


def queue_rows(
    toward: str, planned: LinkQueue | None, answer: Mapping[str, Any]
) -> Iterable[QueueStatistics]:
    """Yield what the kernel tells of one direction, queues first, then classes by their numbers."""
    leaves = {one["leaf"]: one for one in answer["classes"] if one["leaf"]}
    for one in answer["queues"]:
        if one["kind"] not in _NONE and one["handle"] not in leaves:
            yield _row(toward, one["kind"], "", one, one)
    names = planned.class_names() if planned else {}
    below = {one["handle"]: one for one in answer["queues"] if one["handle"]}
    for one in sorted(answer["classes"], key=lambda one: one["number"]):
        if one["leaf"] and (leaf := below.get(one["leaf"])) is not None:
            number = one["number"]
            name = names.get(number & 0xFFFF, f"{number >> 16:x}:{number & 0xFFFF:x}")
            yield _row(toward, leaf["kind"], name, one, leaf)


def _row(
    toward: str, kind: str, name: str, passed: Mapping[str, Any], held: Mapping[str, Any]
) -> QueueStatistics:
    settings = dict(passed["settings"])
    if passed is not held:
        settings |= held["settings"]
    words = [f"{key}={_plain(value)!r}" for key, value in settings.items()]
    return QueueStatistics(
        toward,
        kind,
        name,
        ", ".join(words),
        passed["sent_packets"],
        passed["sent_bytes"],
        held["dropped"],
        held["marked"],
        held["waiting_packets"],
        held["waiting_bytes"],
    )


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
