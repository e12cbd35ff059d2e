"""Netem: delay, jitter, loss, duplicates, reordering as the kernel takes them; tc-netem(8)."""

from __future__ import annotations

import struct

from playground.agent.links.netlink import NLA_F_NESTED, attribute, attributes
from playground.agent.links.queues import TICK_NS
from playground.agent.protocol import Request

# linux/pkt_sched.h
TCA_NETEM_DELAY_DIST = 2
TCA_NETEM_REORDER = 3
TCA_NETEM_CORRUPT = 4
TCA_NETEM_LOSS = 5
TCA_NETEM_RATE = 6
TCA_NETEM_RATE64 = 8
TCA_NETEM_LATENCY64 = 10
TCA_NETEM_JITTER64 = 11
NETEM_LOSS_GE = 2


def share(percent: float) -> int:
    """Return a probability as the kernel has it, in units of 1 / 2**32."""
    return min(round(percent / 100 * 2**32), 2**32 - 1)


def percent(probability: int) -> float:
    """Return what `share` was given, as exactly as people write it."""
    return round(probability / 2**32 * 100, 6)


def netem_options(wanted: Request) -> bytes:
    """Return a struct tc_netem_qopt and the attributes of netem that go with it."""
    delay_ns, jitter_ns = (round(wanted[name] * 1e6) for name in ("delay_ms", "jitter_ms"))
    bursts = wanted["bursts"]
    options = struct.pack(
        "6I",
        min(delay_ns // TICK_NS, 2**32 - 1),
        wanted["queue_packets"],
        0 if bursts else share(wanted["loss_percent"]),
        1 if wanted["reorder_percent"] else 0,
        share(wanted["duplicate_percent"]),
        min(jitter_ns // TICK_NS, 2**32 - 1),
    )
    options += attribute(TCA_NETEM_LATENCY64, struct.pack("q", delay_ns))
    options += attribute(TCA_NETEM_JITTER64, struct.pack("q", jitter_ns))
    if wanted.get("table"):
        table = wanted["table"]
        options += attribute(TCA_NETEM_DELAY_DIST, struct.pack(f"{len(table)}h", *table))
    if bursts:
        model = struct.pack("4I", share(bursts[0]), share(bursts[1]), 0, 0)
        options += attribute(TCA_NETEM_LOSS | NLA_F_NESTED, attribute(NETEM_LOSS_GE, model))
    for kind, name in (
        (TCA_NETEM_REORDER, "reorder_percent"),
        (TCA_NETEM_CORRUPT, "corrupt_percent"),
    ):
        if wanted[name]:
            options += attribute(kind, struct.pack("II", share(wanted[name]), 0))
    if wanted["rate_mbit"] is not None:
        rate = round(wanted["rate_mbit"] * 1e6 / 8)
        options += attribute(TCA_NETEM_RATE64, struct.pack("Q", rate))
        options += attribute(TCA_NETEM_RATE, struct.pack("IiIi", min(rate, 2**32 - 1), 0, 0, 0))
    return options


def read_netem(options: bytes) -> Request:
    """Read what `netem_options` has built; a table of jitter is never told."""
    latency, limit, loss, gap, duplicate, jitter = struct.unpack_from("6I", options)
    parts = attributes(options[24:])

    def number(kind: int, code: str, default: int, offset: int = 0) -> int:
        value: int = struct.unpack_from(code, parts[kind], offset)[0] if kind in parts else default
        return value

    found: Request = {
        "delay_ms": number(TCA_NETEM_LATENCY64, "q", latency * TICK_NS) / 1e6,
        "jitter_ms": number(TCA_NETEM_JITTER64, "q", jitter * TICK_NS) / 1e6,
        "loss_percent": percent(loss),
        "duplicate_percent": percent(duplicate),
        "corrupt_percent": percent(number(TCA_NETEM_CORRUPT, "I", 0)),
        "reorder_percent": percent(number(TCA_NETEM_REORDER, "I", 0)) if gap else 0.0,
        "queue_packets": limit,
    }
    model = attributes(parts.get(TCA_NETEM_LOSS, b"")).get(NETEM_LOSS_GE)
    if model is not None:
        begin, end = (percent(value) for value in struct.unpack_from("2I", model))
        # Where somebody set both to 0 by hand, no burst of losses ever begins.
        found["loss_percent"] = round(begin / (begin + end) * 100, 4) if begin else 0.0
        found["loss_correlation"] = round(100 - begin - end, 4) if begin else 0.0
    rate = number(TCA_NETEM_RATE64, "Q", number(TCA_NETEM_RATE, "I", 0))
    if rate:
        found["rate_mbit"] = rate * 8 / 1e6
    return found
