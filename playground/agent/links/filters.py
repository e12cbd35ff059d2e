"""Filters at an interface's hooks, which lose, lead away and mirror frames: tc-bpf(8)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from playground.agent.kernel.seccomp import Instruction
from playground.agent.links.netem import percent, share
from playground.agent.links.netlink import (
    NLA_F_NESTED,
    NLM_F_CREATE,
    NLM_F_REPLACE,
    Message,
    attribute,
    text_attribute,
)
from playground.agent.links.queues import RTM_NEWQDISC, TCA_KIND, TCA_OPTIONS, queue_body

# linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h, linux/tc_act/tc_mirred.h
RTM_NEWTFILTER = 44
RTM_DELTFILTER = 45
RTM_GETTFILTER = 46
TC_H_CLSACT = 0xFFFFFFF1
TC_H_CLSACT_INGRESS = 0xFFFFFFF2
TC_H_CLSACT_EGRESS = 0xFFFFFFF3
CLSACT_HANDLE = 0xFFFF0000
TCA_BPF_ACT = 1
TCA_BPF_OPS_LEN = 4
TCA_BPF_OPS = 5
TCA_BPF_NAME = 7
TCA_BPF_FLAGS = 8
TCA_BPF_FLAG_ACT_DIRECT = 1
TCA_ACT_KIND = 1
TCA_ACT_OPTIONS = 2
TCA_MIRRED_PARMS = 2
TCA_EGRESS_REDIR = 1
TCA_EGRESS_MIRROR = 2
TC_ACT_STOLEN = 4
TC_ACT_UNSPEC = 0xFFFFFFFF
ETH_P_ALL = 3

# The priority of our filter; a user may have put filters there too.
FILTER_PRIORITY = 0x7067
# A mirror's filter comes after those that lose frames: a lost frame is not copied.
MIRROR_INFO = 0x706D << 16 | socket.htons(ETH_P_ALL)

# linux/filter.h: what a filter reads beside the frame itself.
SKF_AD_MARK = 0xFFFFF000 + 20
SKF_AD_RANDOM = 0xFFFFF000 + 56
BPF_LD_W_ABS = 0x20
BPF_JMP_JEQ_K = 0x15
BPF_JMP_JGE_K = 0x35
BPF_RET_K = 0x06
SO_ATTACH_FILTER = 26


def losing(percent: float) -> list[Instruction]:
    """A program that takes frames away by chance, unseen by who sent them."""
    if percent >= 100:
        return [(BPF_RET_K, 0, 0, TC_ACT_STOLEN)]
    return [
        (BPF_LD_W_ABS, 0, 0, SKF_AD_RANDOM),
        (BPF_JMP_JGE_K, 1, 0, share(percent)),
        (BPF_RET_K, 0, 0, TC_ACT_STOLEN),
        (BPF_RET_K, 0, 0, TC_ACT_UNSPEC),
    ]


def unmarked(mark: int) -> list[Instruction]:
    """A program that finds all frames but those that a relay has sent on."""
    return [
        (BPF_LD_W_ABS, 0, 0, SKF_AD_MARK),
        (BPF_JMP_JEQ_K, 0, 1, mark),
        (BPF_RET_K, 0, 0, 0),
        (BPF_RET_K, 0, 0, 0xFFFFFFFF),
    ]


def filter_messages(index: int, program: Sequence[Instruction], into: int | None) -> list[Message]:
    """Put a program at an interface's egress; what it finds goes ``into`` another one."""
    options = attribute(TCA_BPF_OPS_LEN, struct.pack("H", len(program)))
    options += attribute(TCA_BPF_OPS, b"".join(struct.pack("HBBI", *row) for row in program))
    if into is None:
        options += attribute(TCA_BPF_FLAGS, struct.pack("I", TCA_BPF_FLAG_ACT_DIRECT))
    else:
        mirred = struct.pack("IIiiiiI", 0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, into)
        action = text_attribute(TCA_ACT_KIND, "mirred") + attribute(
            TCA_ACT_OPTIONS | NLA_F_NESTED, attribute(TCA_MIRRED_PARMS, mirred)
        )
        options += attribute(TCA_BPF_ACT | NLA_F_NESTED, attribute(1 | NLA_F_NESTED, action))
    hook = queue_body(index, TC_H_CLSACT, CLSACT_HANDLE) + text_attribute(TCA_KIND, "clsact")
    body = (
        queue_body(index, TC_H_CLSACT_EGRESS, 1, FILTER_PRIORITY << 16 | socket.htons(ETH_P_ALL))
        + text_attribute(TCA_KIND, "bpf")
        + attribute(TCA_OPTIONS | NLA_F_NESTED, options)
    )
    flags = NLM_F_CREATE | NLM_F_REPLACE
    return [
        # A second time it changes nothing, and what hangs on it stays.
        Message(RTM_NEWQDISC, flags, hook, "open the egress hook of tc (clsact)"),
        Message(RTM_NEWTFILTER, flags, body, "set a filter (cls_bpf)"),
    ]


def mirror_messages(index: int, hook: int, to: int) -> list[Message]:
    """Copy all that enters or leaves an interface to another; filters after it go on."""
    return _mirred_messages(index, hook, to, -1, TCA_EGRESS_MIRROR, "mirror a port")


def redirect_messages(index: int, hook: int, to: int, info: int = MIRROR_INFO) -> list[Message]:
    """Let all that enters or leaves an interface leave by another instead."""
    purpose = "join two interfaces"
    return _mirred_messages(index, hook, to, TC_ACT_STOLEN, TCA_EGRESS_REDIR, purpose, info)


def _mirred_messages(
    index: int,
    hook: int,
    to: int,
    verdict: int,
    kind: int,
    purpose: str,
    info: int = MIRROR_INFO,
) -> list[Message]:
    mirred = struct.pack("IIiiiiI", 0, 0, verdict, 0, 0, kind, to)
    action = text_attribute(TCA_ACT_KIND, "mirred") + attribute(
        TCA_ACT_OPTIONS | NLA_F_NESTED, attribute(TCA_MIRRED_PARMS, mirred)
    )
    everything = struct.pack("HBBI", BPF_RET_K, 0, 0, 0xFFFFFFFF)
    options = (
        attribute(TCA_BPF_OPS_LEN, struct.pack("H", 1))
        + attribute(TCA_BPF_OPS, everything)
        + attribute(TCA_BPF_ACT | NLA_F_NESTED, attribute(1 | NLA_F_NESTED, action))
    )
    clsact = queue_body(index, TC_H_CLSACT, CLSACT_HANDLE) + text_attribute(TCA_KIND, "clsact")
    body = (
        queue_body(index, hook, 1, info)
        + text_attribute(TCA_KIND, "bpf")
        + attribute(TCA_OPTIONS | NLA_F_NESTED, options)
    )
    flags = NLM_F_CREATE | NLM_F_REPLACE
    return [
        Message(RTM_NEWQDISC, flags, clsact, "open the hooks of tc (clsact)"),
        Message(RTM_NEWTFILTER, flags, body, f"{purpose} (cls_bpf, act_mirred)"),
    ]


def delete_filter(index: int) -> Message:
    info = FILTER_PRIORITY << 16 | socket.htons(ETH_P_ALL)
    body = queue_body(index, TC_H_CLSACT_EGRESS, 0, info)
    return Message(RTM_DELTFILTER, 0, body, "take away a filter")


def get_filter(index: int) -> Message:
    info = FILTER_PRIORITY << 16 | socket.htons(ETH_P_ALL)
    body = queue_body(index, TC_H_CLSACT_EGRESS, 1, info) + text_attribute(TCA_KIND, "bpf")
    return Message(RTM_GETTFILTER, 0, body, "look at a filter")


def read_losing(program: bytes) -> float:
    """Return the loss that `losing` was told; 100 where it asks for no number."""
    for code, _, _, value in struct.iter_unpack("HBBI", program):
        if code == BPF_JMP_JGE_K:
            return percent(value)
    return 100.0
