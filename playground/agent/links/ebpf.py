"""Programs of eBPF that do what the kernel has no module for: bpf(2), bpf-helpers(7).

They put tags of VLANs on frames and take them off where there is no 8021q, and let go of
the sockets that frames came from where there is no netem.

"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct

from playground.agent.kernel.syscalls import system_call
from playground.agent.links.filters import (
    CLSACT_HANDLE,
    ETH_P_ALL,
    FILTER_PRIORITY,
    RTM_DELTFILTER,
    RTM_NEWTFILTER,
    TC_ACT_STOLEN,
    TC_ACT_UNSPEC,
    TC_H_CLSACT,
    TC_H_CLSACT_EGRESS,
    TC_H_CLSACT_INGRESS,
    TCA_BPF_FLAG_ACT_DIRECT,
    TCA_BPF_FLAGS,
    TCA_BPF_NAME,
)
from playground.agent.links.netlink import (
    NLA_F_NESTED,
    NLM_F_CREATE,
    NLM_F_REPLACE,
    Message,
    attribute,
    text_attribute,
)
from playground.agent.links.queues import RTM_NEWQDISC, TCA_KIND, TCA_OPTIONS, queue_body

# linux/bpf.h, and the tables of system calls
SYS_BPF = {"x86_64": 321}.get(os.uname().machine, 280)
BPF_PROG_LOAD = 5
BPF_PROG_TYPE_SCHED_CLS = 3
TCA_BPF_FD = 6

# Helpers, and the fields of struct __sk_buff by their place.
CLONE_REDIRECT, SKB_VLAN_PUSH, SKB_VLAN_POP, REDIRECT = 13, 18, 19, 23
MARK = 8
VLAN_PRESENT, VLAN_TCI = 20, 24
ETH_P_8021Q = 0x8100
ETH_P_8021AD = 0x88A8
VLAN_VID_MASK = 0x0FFF

# Documentation/bpf/standardization/instruction-set.rst
LOAD_WORD, STORE_WORD = 0x61, 0x63
MOVE, MOVE_NUMBER = 0xBF, 0xB7
AND_NUMBER = 0x57
JUMP_IF_EQUAL, JUMP_UNLESS_EQUAL = 0x15, 0x55
CALL, EXIT = 0x85, 0x95

# After a mirror's (filters.MIRROR_INFO), for what is led away is seen by nobody else.
INFO = 0x706E << 16 | socket.htons(ETH_P_ALL)

# Before the filter that loses frames, which sees the copies alone, and each once.
COPY_INFO = (FILTER_PRIORITY - 1) << 16 | socket.htons(ETH_P_ALL)

# The kernel asks each program for one; of these two it takes any.
LICENSE = b"MIT\0"


def instruction(code: int, to: int = 0, by: int = 0, offset: int = 0, number: int = 0) -> bytes:
    """Build a struct bpf_insn; ``to`` and ``by`` are registers."""
    return struct.pack("BBhi", code, by << 4 | to, offset, number)


def untagging(vlan: int, to: int) -> bytes:
    """A program that takes the tag from frames of a VLAN, and sends them out of an interface."""
    return b"".join(
        (
            instruction(MOVE, 6, 1),
            instruction(LOAD_WORD, 0, 6, VLAN_PRESENT),
            instruction(JUMP_IF_EQUAL, 0, offset=9, number=0),
            instruction(LOAD_WORD, 0, 6, VLAN_TCI),
            instruction(AND_NUMBER, 0, number=VLAN_VID_MASK),
            instruction(JUMP_UNLESS_EQUAL, 0, offset=6, number=vlan),
            instruction(MOVE, 1, 6),
            instruction(CALL, number=SKB_VLAN_POP),
            instruction(MOVE_NUMBER, 1, number=to),
            instruction(MOVE_NUMBER, 2, number=0),
            instruction(CALL, number=REDIRECT),
            instruction(EXIT),
            # All others are for the filters of other VLANs.
            instruction(MOVE_NUMBER, 0, number=TC_ACT_UNSPEC - (1 << 32)),
            instruction(EXIT),
        )
    )


def tagging(vlan: int, to: int, qinq: bool = False) -> bytes:
    """A program that puts the tag of a VLAN on all frames, and sends them out of an interface."""
    protocol = ETH_P_8021AD if qinq else ETH_P_8021Q
    return b"".join(
        (
            instruction(MOVE_NUMBER, 2, number=socket.htons(protocol)),
            instruction(MOVE_NUMBER, 3, number=vlan),
            instruction(CALL, number=SKB_VLAN_PUSH),
            instruction(MOVE_NUMBER, 1, number=to),
            instruction(MOVE_NUMBER, 2, number=0),
            instruction(CALL, number=REDIRECT),
            instruction(EXIT),
        )
    )


def letting_go(mark: int, index: int) -> bytes:
    """A program that has each frame leave as a copy, which no socket waits for.

    A socket may send so much as its buffer takes and no queue has let go of (sk_wmem_alloc),
    so that its owner would wait for a slow link, and the queue never be full.  The copy passes
    here once more, and is known by its mark.

    """
    return b"".join(
        (
            instruction(MOVE, 6, 1),
            instruction(LOAD_WORD, 0, 6, MARK),
            instruction(JUMP_IF_EQUAL, 0, offset=8, number=mark),
            instruction(MOVE_NUMBER, 2, number=mark),
            instruction(STORE_WORD, 6, 2, MARK),
            instruction(MOVE, 1, 6),
            instruction(MOVE_NUMBER, 2, number=index),
            instruction(MOVE_NUMBER, 3, number=0),
            instruction(CALL, number=CLONE_REDIRECT),
            instruction(MOVE_NUMBER, 0, number=TC_ACT_STOLEN),
            instruction(EXIT),
            instruction(MOVE_NUMBER, 0, number=TC_ACT_UNSPEC - (1 << 32)),
            instruction(EXIT),
        )
    )


def load(program: bytes) -> int:
    """Load a program for the hooks of tc; return its file descriptor."""
    code, licence = ctypes.create_string_buffer(program), ctypes.create_string_buffer(LICENSE)
    # union bpf_attr: type, count of instructions, and where they and the license are.
    fields = struct.pack(
        "IIQQ",
        BPF_PROG_TYPE_SCHED_CLS,
        len(program) // 8,
        ctypes.addressof(code),
        ctypes.addressof(licence),
    )
    request = ctypes.create_string_buffer(fields, 120)
    try:
        return system_call(SYS_BPF, BPF_PROG_LOAD, ctypes.addressof(request), len(request))
    except PermissionError:
        raise PermissionError(
            errno.EPERM,
            "this kernel has no VLANs of its own (8021q, VLAN filtering of bridges), and to load "
            "the programs that stand in for them takes root of the machine",
        ) from None
    except OSError as error:
        raise OSError(
            error.errno,
            f"this kernel has neither VLANs of its own (8021q, VLAN filtering of bridges) nor "
            f"takes the programs that stand in for them (eBPF): {error.strerror}",
        ) from None


def arriving(index: int, handle: int, program: bytes) -> tuple[list[Message], int]:
    """Put a program at an interface's ingress, as one of several; close its descriptor then."""
    where = queue_body(index, TC_H_CLSACT_INGRESS, handle, INFO)
    return _hooked(index, where, "vlan", program)


def leaving_copied(index: int) -> tuple[list[Message], int]:
    """Put `letting_go` at an interface's egress; close its descriptor then."""
    # Both in one namespace, so that a frame has the mark of the last interface alone.
    program = letting_go(0x71000000 | index, index)
    where = queue_body(index, TC_H_CLSACT_EGRESS, 1, COPY_INFO)
    return _hooked(index, where, "copy", program)


def _hooked(index: int, where: bytes, name: str, program: bytes) -> tuple[list[Message], int]:
    descriptor = load(program)
    options = attribute(TCA_BPF_FD, struct.pack("I", descriptor))
    options += text_attribute(TCA_BPF_NAME, name)
    options += attribute(TCA_BPF_FLAGS, struct.pack("I", TCA_BPF_FLAG_ACT_DIRECT))
    hook = queue_body(index, TC_H_CLSACT, CLSACT_HANDLE) + text_attribute(TCA_KIND, "clsact")
    body = where + text_attribute(TCA_KIND, "bpf")
    body += attribute(TCA_OPTIONS | NLA_F_NESTED, options)
    flags = NLM_F_CREATE | NLM_F_REPLACE
    messages = [
        # A second time it changes nothing, and what hangs on it stays.
        Message(RTM_NEWQDISC, flags, hook, "open the hooks of tc (clsact)"),
        Message(RTM_NEWTFILTER, flags, body, f"set the program {name!r} (cls_bpf)"),
    ]
    return messages, descriptor


def delete_leaving(index: int) -> Message:
    body = queue_body(index, TC_H_CLSACT_EGRESS, 0, COPY_INFO)
    return Message(RTM_DELTFILTER, 0, body, "take away the program that copies")


def delete_arriving(index: int, handle: int) -> Message:
    body = queue_body(index, TC_H_CLSACT_INGRESS, handle, INFO) + text_attribute(TCA_KIND, "bpf")
    return Message(RTM_DELTFILTER, 0, body, "take away the program for a VLAN")
