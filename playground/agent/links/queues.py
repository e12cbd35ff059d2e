"""Queueing disciplines of interfaces: put in place, taken away; tc(8), linux/pkt_sched.h."""

from __future__ import annotations

import socket
import struct

from playground.agent.links.netlink import (
    NLM_F_CREATE,
    NLM_F_REPLACE,
    Message,
    attribute,
    text_attribute,
)

# linux/rtnetlink.h, linux/pkt_sched.h
RTM_NEWQDISC = 36
RTM_DELQDISC = 37
RTM_GETQDISC = 38
TC_H_ROOT = 0xFFFFFFFF
TCA_KIND = 1
TCA_OPTIONS = 2
TICK_NS = 64  # PSCHED_SHIFT of net/pkt_sched.h


def queue_body(index: int, parent: int, handle: int = 0, info: int = 0) -> bytes:
    """Build a struct tcmsg."""
    return struct.pack("BxxxiIII", socket.AF_UNSPEC, index, handle, parent, info)


# By which a queue is known as ours: "7067:" for tc(8).
OWN_HANDLE = 0x70670000


def new_queue(index: int, kind: str, options: bytes, purpose: str) -> Message:
    """Put a queueing discipline in the place of the one that an interface has."""
    body = (
        queue_body(index, TC_H_ROOT, OWN_HANDLE)
        + text_attribute(TCA_KIND, kind)
        + attribute(TCA_OPTIONS, options)
    )
    return Message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, body, purpose)


def delete_queue(index: int) -> Message:
    return Message(RTM_DELQDISC, 0, queue_body(index, TC_H_ROOT), "take away the queue")
