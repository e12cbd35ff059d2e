"""Statistics of queues and classes at interfaces: what passed, waits, was dropped or marked."""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence

from playground.agent.links.interfaces import interface_index
from playground.agent.links.netlink import (
    NLM_F_DUMP,
    Message,
    Netlink,
    attributes,
    each_attribute,
    in_each,
    plain_text,
)
from playground.agent.links.queues import RTM_GETQDISC, TCA_KIND, TCA_OPTIONS, queue_body
from playground.agent.links.tbf import read_tbf
from playground.agent.protocol import Request
from playground.agent.queues.classes import RTM_GETTCLASS, read_class
from playground.agent.queues.disciplines import read_discipline

# linux/rtnetlink.h, linux/gen_stats.h
TCA_STATS2 = 7
TCA_STATS_BASIC, TCA_STATS_QUEUE, TCA_STATS_APP = 1, 3, 4
# linux/pkt_sched.h: where a kind's own statistics have the count of marked packets.
_MARKED_AT = {"fq_codel": 12, "red": 12, "pie": 36}
_CAKE_TINS, _CAKE_MARKED = 10, 8
_HTB_BORROWED_AT = 4

SCHEDULERS = ("htb", "hfsc")

# A host may have made more, and nobody reads them.
MOST_ROWS = 256


def queues(ends: Sequence[Request]) -> list[Request]:
    found = []
    for end, netlink in in_each(ends):
        index = interface_index(end["interface"])
        found.append(
            {
                "time_s": time.monotonic(),
                "queues": [_queue(row) for row in _rows(netlink, RTM_GETQDISC, index)],
                "classes": [
                    _class(row)
                    for row in _rows(netlink, RTM_GETTCLASS, index)
                    # Of other kinds they are flows, or places for the queue below.
                    if plain_text(attributes(row[20:]).get(TCA_KIND)) in SCHEDULERS
                ],
            }
        )
    return found


def _rows(netlink: Netlink, what: int, index: int) -> list[bytes]:
    question = Message(what, NLM_F_DUMP, queue_body(index, 0), "look at queues")
    # Of queues the kernel tells those of all interfaces.
    own = [row for row in netlink.look(question) if struct.unpack_from("i", row, 4)[0] == index]
    return own[:MOST_ROWS]


def _queue(row: bytes) -> Request:
    handle, parent = struct.unpack_from("II", row, 8)
    parts = attributes(row[20:])
    kind, options = plain_text(parts[TCA_KIND]), parts.get(TCA_OPTIONS, b"")
    settings = read_tbf(options) if kind == "tbf" else read_discipline(kind, options)
    statistics = attributes(parts.get(TCA_STATS2, b""))
    return {
        "kind": kind,
        "handle": handle,
        "parent": parent,
        "settings": settings,
        **_counted(statistics),
        "marked": marked(kind, statistics.get(TCA_STATS_APP, b"")),
    }


def _class(row: bytes) -> Request:
    number, parent, leaf = struct.unpack_from("III", row, 8)
    parts = attributes(row[20:])
    kind = plain_text(parts[TCA_KIND])
    statistics = attributes(parts.get(TCA_STATS2, b""))
    own = statistics.get(TCA_STATS_APP, b"")
    borrowed = kind == "htb" and len(own) >= _HTB_BORROWED_AT + 4
    return {
        "kind": kind,
        "number": number,
        "parent": parent,
        "leaf": leaf,
        "settings": read_class(kind, parts.get(TCA_OPTIONS, b"")),
        **_counted(statistics),
        "borrowed": struct.unpack_from("I", own, _HTB_BORROWED_AT)[0] if borrowed else 0,
    }


def _counted(statistics: dict[int, bytes]) -> Request:
    sent_bytes, sent_packets = struct.unpack_from("QI", statistics.get(TCA_STATS_BASIC, bytes(12)))
    waiting = struct.unpack_from("5I", statistics.get(TCA_STATS_QUEUE, bytes(20)))
    return {
        "sent_bytes": sent_bytes,
        "sent_packets": sent_packets,
        "waiting_packets": waiting[0],
        "waiting_bytes": waiting[1],
        "dropped": waiting[2],
        "overlimits": waiting[4],
    }


def marked(kind: str, statistics: bytes) -> int:
    """Return how many packets were marked in place of being dropped (ECN, RFC 3168)."""
    if kind == "cake":
        tins = attributes(statistics).get(_CAKE_TINS, b"")
        counts = (attributes(tin).get(_CAKE_MARKED, bytes(4)) for _, tin in each_attribute(tins))
        return sum(struct.unpack_from("I", count)[0] for count in counts)
    at = _MARKED_AT.get(kind)
    if at is None or len(statistics) < at + 4:
        return 0
    count: int = struct.unpack_from("I", statistics, at)[0]
    return count
