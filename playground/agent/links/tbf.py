"""The token bucket filter, which keeps a rate: tc-tbf(8)."""

from __future__ import annotations

import struct

from playground.agent.links.netlink import (
    NLM_F_CREATE,
    NLM_F_REPLACE,
    Message,
    attribute,
    attributes,
    text_attribute,
)
from playground.agent.links.queues import (
    OWN_HANDLE,
    RTM_NEWQDISC,
    TCA_KIND,
    TCA_OPTIONS,
    TICK_NS,
    new_queue,
    queue_body,
)
from playground.agent.protocol import Request

# linux/pkt_sched.h
TCA_TBF_PARMS = 1
TCA_TBF_RATE64 = 4
TCA_TBF_BURST = 6
TC_LINKLAYER_ETHERNET = 1


def new_rate(index: int, wanted: Request, purpose: str) -> list[Message]:
    """Keep a rate by tbf; so many packets wait for it, of whatever size."""
    # Its own queue counts bytes, and is pushed aside: tc-tbf(8), tc-pfifo(8).
    below = (
        queue_body(index, OWN_HANDLE | 1)
        + text_attribute(TCA_KIND, "pfifo")
        + attribute(TCA_OPTIONS, struct.pack("I", wanted["queue_packets"]))
    )
    return [
        new_queue(index, "tbf", tbf_options(wanted), purpose),
        Message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, below, purpose),
    ]


def tbf_options(wanted: Request) -> bytes:
    """Return what keeps a rate: tc-tbf(8)."""
    rate = round(wanted["rate_mbit"] * 1e6 / 8)
    burst = wanted["burst_bytes"]
    ratespec = struct.pack("BBHhHI", 0, TC_LINKLAYER_ETHERNET, 0, 0, 0, min(rate, 2**32 - 1))
    ticks = min(burst * 10**9 // rate // TICK_NS, 2**32 - 1)
    parameters = ratespec + bytes(12)
    parameters += struct.pack("III", min(wanted["queue_bytes"], 2**32 - 1), ticks, 0)
    return (
        attribute(TCA_TBF_PARMS, parameters)
        + attribute(TCA_TBF_RATE64, struct.pack("Q", rate))
        + attribute(TCA_TBF_BURST, struct.pack("I", burst))
    )


def read_tbf(options: bytes) -> Request:
    parts = attributes(options)
    (rate,) = struct.unpack_from("I", parts[TCA_TBF_PARMS], 8)
    if TCA_TBF_RATE64 in parts:
        (rate,) = struct.unpack("Q", parts[TCA_TBF_RATE64])
    return {"rate_mbit": rate * 8 / 1e6}
