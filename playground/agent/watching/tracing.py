"""Traces of nftables: what each rule of a node decides of a packet."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import struct
from collections.abc import Sequence

from playground.agent.kernel.netfilter import (
    NETLINK_NETFILTER,
    NFPROTO_INET,
    big_endian,
    netfilter_body,
)
from playground.agent.links.netlink import (
    BATCH,
    NETLINK_ADD_MEMBERSHIP,
    NLA_F_NESTED,
    NLM_F_ACK,
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_REQUEST,
    SOL_NETLINK,
    Message,
    Netlink,
    acknowledgements,
    attribute,
    attributes,
    plain_text,
    refusal,
    text_attribute,
)
from playground.agent.protocol import Request

# linux/netfilter/nf_tables.h, nfnetlink.h
NFNLGRP_NFTRACE = 9
NFT_MSG_TRACE = 0x0A11
NF_HOOKS = {"prerouting": 0, "output": 3}
NFT_META_NFTRACE = 12
# Belongs to the socket that has made it, and goes with it (since Linux 5.12).
NFT_TABLE_F_OWNER = 2
# Each trace has a table of its own, for several may go on at once: how their names begin.
TRACE_TABLES = "playground_trace_"
# Before connection tracking (-200) and "raw" (-300).
TRACE_PRIORITY = -350

# asm-generic/socket.h
SO_RCVBUFFORCE = 33


def start_trace(pid: int) -> Netlink | None:
    """Make the rules of a node tell of all packets; None where the kernel cannot.

    What tells them to is a table that goes with this socket.

    """

    def element(name: str, data: bytes) -> bytes:
        nested = attribute(2 | NLA_F_NESTED, data)
        return attribute(1 | NLA_F_NESTED, text_attribute(1, name) + nested)

    def number(kind: int, value: int) -> bytes:
        return attribute(kind, struct.pack(">i", value))

    one = attribute(2 | NLA_F_NESTED, attribute(1, b"\x01"))
    expressions = element("immediate", number(1, 1) + one) + element(
        "meta", number(2, NFT_META_NFTRACE) + number(3, 1)
    )
    table = text_attribute(1, TRACE_TABLES + os.urandom(4).hex())
    bodies = [(0, table + number(2, NFT_TABLE_F_OWNER))]
    for name, hook in NF_HOOKS.items():
        place = attribute(4 | NLA_F_NESTED, number(1, hook) + number(2, TRACE_PRIORITY))
        chain = text_attribute(3, name)
        bodies.append((3, table + chain + place + text_attribute(7, "filter")))
        rule = text_attribute(2, name) + attribute(4 | NLA_F_NESTED, expressions)
        bodies.append((6, table + rule))
    netlink = Netlink(pid, NETLINK_NETFILTER)
    try:
        netlink.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTRACE)
        with contextlib.suppress(OSError):
            netlink.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        flags = NLM_F_CREATE | NLM_F_APPEND
        batch = [
            Message(0x0A00 | kind, flags, netfilter_body(NFPROTO_INET, body), "trace packets")
            for kind, body in bodies
        ]
        _commit(netlink, batch)
    except OSError:
        netlink.close()
        return None
    netlink.socket.setblocking(False)
    return netlink


def _commit(netlink: Netlink, messages: Sequence[Message]) -> None:
    """Send changes of nftables, all or none: between the two that make them a batch."""
    packets: list[bytes] = []
    for message in (None, *messages, None):
        netlink.sequence += 1
        kind, flags, body = (
            0x10 if not packets else 0x11,
            NLM_F_REQUEST,
            struct.pack(">BBH", 0, 0, 10),
        )
        if message is not None:
            kind, flags, body = (
                message.kind,
                message.flags | NLM_F_REQUEST | NLM_F_ACK,
                message.body,
            )
        length = 16 + len(body)
        packets.append(struct.pack("IHHII", length, kind, flags, netlink.sequence, 0) + body)
    netlink.socket.send(b"".join(packets))
    answers = 0
    while answers < len(messages):
        for _, (number, reason) in acknowledgements(netlink.socket.recv(1 << 16)):
            answers += 1
            if number:
                raise refusal(messages[0], number, reason)


def read_traces(netlink: Netlink) -> list[Request]:
    rows = []
    for _ in range(BATCH):
        try:
            packet = netlink.socket.recv(1 << 16)
        except BlockingIOError:
            break
        except OSError:
            continue  # more has come than there was room for
        offset = 0
        while offset + 20 <= len(packet):
            length, kind = struct.unpack_from("IH", packet, offset)
            if kind == NFT_MSG_TRACE:
                rows.append(_trace_row(attributes(packet[offset + 20 : offset + length])))
            offset += max((length + 3) & ~3, 16)
    return [row for row in rows if not row["table"].startswith(TRACE_TABLES)]


def _trace_row(found: dict[int, bytes]) -> Request:
    """Read what one rule or chain has decided: enum nft_trace_attributes."""
    verdict = attributes(found.get(5, b"")).get(1)
    return {
        "table": plain_text(found.get(1)),
        "chain": plain_text(found.get(2)),
        "handle": big_endian(found.get(3)) or None,
        "type": {1: "policy", 2: "return", 3: "rule"}.get(big_endian(found.get(4)), ""),
        "verdict": struct.unpack(">i", verdict)[0] if verdict else None,
        "policy": big_endian(found[16]) if 16 in found else None,
        "id": big_endian(found.get(6)),
        "mark": big_endian(found.get(14)),
        "family": big_endian(found.get(15)),
        "network": base64.b64encode(found.get(8, b"")).decode(),
        "transport": base64.b64encode(found.get(9, b"")).decode(),
    }
