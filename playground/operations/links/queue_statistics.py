"""Statistics of a link's queues and classes of traffic, made of what the agent tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from playground.model.records import dataclass

if TYPE_CHECKING:
    from playground.model.queues.link_queue import LinkQueue


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
