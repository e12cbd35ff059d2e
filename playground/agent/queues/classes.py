"""Classes of traffic in the kernel: htb and hfsc, and the filters that find packets of each.

tc-htb(8), tc-hfsc(8), tc-u32(8); linux/pkt_sched.h, linux/pkt_cls.h.

"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from playground.agent.links.filters import RTM_NEWTFILTER
from playground.agent.links.netlink import (
    NLA_F_NESTED,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    attribute,
    attributes,
    text_attribute,
)
from playground.agent.links.queues import (
    RTM_NEWQDISC,
    TCA_KIND,
    TCA_OPTIONS,
    TICK_NS,
    queue_body,
)
from playground.agent.links.tbf import TC_LINKLAYER_ETHERNET
from playground.agent.protocol import Request
from playground.agent.queues.disciplines import discipline_options

# linux/rtnetlink.h
RTM_NEWTCLASS = 40
RTM_GETTCLASS = 42
# linux/pkt_sched.h
TCA_HTB_PARMS, TCA_HTB_INIT, TCA_HTB_RATE64, TCA_HTB_CEIL64 = 1, 2, 6, 7
TCA_HFSC_RSC, TCA_HFSC_FSC, TCA_HFSC_USC = 1, 2, 3
_HTB_VERSION = 3
_RATE_TO_QUANTUM = 10
# linux/pkt_cls.h
TCA_U32_CLASSID, TCA_U32_SEL = 1, 5
_TERMINAL = 1
_ETHERTYPES = {4: 0x0800, 6: 0x86DD}

# The class of the whole link, above all others.
_ROOT = 1
_MOST = 2**32 - 1


def class_messages(
    index: int, parent: int, handle: int, wanted: Request, purpose: str
) -> Iterator[Message]:
    """Yield what makes a scheduler below ``parent``, its classes, their queues and filters."""
    kind = wanted["kind"]
    flags = NLM_F_CREATE | NLM_F_REPLACE
    body = queue_body(index, parent, handle) + text_attribute(TCA_KIND, kind)
    options = _scheduler_options(kind, wanted["rest"])
    yield Message(RTM_NEWQDISC, flags, body + attribute(TCA_OPTIONS, options), purpose)
    for one in wanted["classes"]:
        minor = handle | one["minor"]
        above = handle if one["minor"] == _ROOT else handle | _ROOT
        body = queue_body(index, above, minor) + text_attribute(TCA_KIND, kind)
        body += attribute(TCA_OPTIONS | NLA_F_NESTED, class_options(kind, one))
        yield Message(RTM_NEWTCLASS, flags, body, purpose)
        if one["queue"] is not None:
            body = queue_body(index, minor) + text_attribute(TCA_KIND, one["queue"]["kind"])
            body += attribute(TCA_OPTIONS, discipline_options(one["queue"]))
            yield Message(RTM_NEWQDISC, flags, body, purpose)
    for one in wanted["classes"]:
        for found in one["filters"]:
            info = found["priority"] << 16 | socket.htons(_ETHERTYPES[found["version"]])
            body = queue_body(index, handle, 0, info) + text_attribute(TCA_KIND, "u32")
            body += attribute(TCA_OPTIONS | NLA_F_NESTED, _u32(found, handle | one["minor"]))
            yield Message(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, body, purpose)


def _scheduler_options(kind: str, rest: int) -> bytes:
    if kind == "hfsc":
        return struct.pack("H", rest)
    return attribute(TCA_HTB_INIT, struct.pack("5I", _HTB_VERSION, _RATE_TO_QUANTUM, rest, 0, 0))


def class_options(kind: str, one: Request) -> bytes:
    """Return what a class is promised, and the most that it gets."""
    rate, ceil = (round(one[name] * 1e6 / 8) for name in ("rate_mbit", "ceil_mbit"))
    if kind == "hfsc":
        # struct tc_service_curve: one slope, from the beginning.
        share, most = (struct.pack("III", 0, 0, min(value, _MOST)) for value in (rate, ceil))
        promised = attribute(TCA_HFSC_RSC, share) if one["queue"] is not None else b""
        return promised + attribute(TCA_HFSC_FSC, share) + attribute(TCA_HFSC_USC, most)
    parameters = _ratespec(rate) + _ratespec(ceil)
    parameters += struct.pack(
        "5I",
        _ticks(one["burst_bytes"], rate),
        _ticks(one["ceil_burst_bytes"], ceil),
        one["quantum_bytes"],
        0,
        one["priority"],
    )
    return (
        attribute(TCA_HTB_PARMS, parameters)
        + attribute(TCA_HTB_RATE64, struct.pack("Q", rate))
        + attribute(TCA_HTB_CEIL64, struct.pack("Q", ceil))
    )


def _ratespec(rate: int) -> bytes:
    return struct.pack("BBHhHI", 0, TC_LINKLAYER_ETHERNET, 0, 0, 0, min(rate, _MOST))


def _ticks(size: int, rate: int) -> int:
    return min(size * 10**9 // rate // TICK_NS, _MOST)


def _u32(found: Request, target: int) -> bytes:
    keys = found["keys"]
    # struct tc_u32_sel, and a struct tc_u32_key for each.
    selector = struct.pack("BBBxHHhhI", _TERMINAL, 0, len(keys), 0, 0, 0, 0, 0)
    for offset, mask, value, *_ in keys:
        selector += struct.pack(">II", mask, value) + struct.pack("ii", offset, 0)
    return attribute(TCA_U32_CLASSID, struct.pack("I", target)) + attribute(TCA_U32_SEL, selector)


def read_class(kind: str, options: bytes) -> Request:
    """Read the rates of a class; {} of another kind than ours."""
    found = attributes(options)
    if kind == "htb" and TCA_HTB_PARMS in found:
        [rate] = struct.unpack_from("I", found[TCA_HTB_PARMS], 8)
        [ceil] = struct.unpack_from("I", found[TCA_HTB_PARMS], 20)
        # Those that fit no 32 bits stand apart.
        rate, ceil = (
            struct.unpack("Q", found[name])[0] if name in found else value
            for name, value in ((TCA_HTB_RATE64, rate), (TCA_HTB_CEIL64, ceil))
        )
    elif kind == "hfsc" and TCA_HFSC_FSC in found:
        rate, ceil = (
            struct.unpack_from("I", found[name], 8)[0] if name in found else 0
            for name in (TCA_HFSC_FSC, TCA_HFSC_USC)
        )
    else:
        return {}
    return {"rate_mbit": rate * 8 / 1e6, "ceil_mbit": ceil * 8 / 1e6}
