"""Netlink: messages to the kernel, and what it answers; netlink(7).

Written out here, since pyroute2 (0.9.7) takes 469 microseconds to encode a veth pair
instead of 4, 11.7 ms to read 100 routes instead of 1.2, and 99 to 140 ms to be imported:
docs/architecture/decisions.md has the table.

"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence

from playground.agent.kernel.syscalls import CLONE_NEWNET, setns
from playground.agent.nodes.entering import coming_back, enter_network
from playground.agent.protocol import Request

# linux/netlink.h, linux/rtnetlink.h
NLM_F_REQUEST = 0x01
NLM_F_ACK = 0x04
NLM_F_ECHO = 0x08
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_CAPPED = 0x100
NLM_F_ACK_TLVS = 0x200
NLMSGERR_ATTR_MSG = 1
SOL_NETLINK = 270
NETLINK_ADD_MEMBERSHIP = 1
RTMGRP_LINK = 1
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
NLA_F_NESTED = 0x8000

# Messages in one system call.  Each is acknowledged by one packet in the
# socket's receive buffer, which holds about 250 of them by default.
BATCH = 64

# struct nlmsghdr
_HEADER = struct.Struct("IHHII")


class Message:
    """One rtnetlink request, and in words what it is for."""

    def __init__(self, kind: int, flags: int, body: bytes, purpose: str) -> None:
        self.kind = kind
        self.flags = flags
        self.body = body
        self.purpose = purpose


class NetlinkError(OSError):
    """The kernel refused a message; `str` is a sentence with its reason."""


def refusal(message: Message, number: int, reason: str) -> NetlinkError:
    words = os.strerror(number) + (f" ({reason})" if reason else "")
    return NetlinkError(number, f"cannot {message.purpose}: {words}")


class Netlink:
    """A socket to the routing side of one network namespace, rtnetlink(7)."""

    def __init__(self, pid: int | None, protocol: int = 0) -> None:
        """Open it in the namespace of a process, or in the present one."""
        if pid is not None:
            enter_network(pid)
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self.socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self.socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        # The kernel answers at once; a lost answer must not be waited for.
        self.socket.settimeout(10)
        self.socket.bind((0, 0))
        self.sequence = 0

    def send(self, messages: Sequence[Message]) -> None:
        """Send requests in order; the first refusal is raised after all were tried."""
        for message, number, reason in self.attempt(messages):
            if number:
                raise refusal(message, number, reason)

    def attempt(self, messages: Sequence[Message]) -> list[tuple[Message, int, str]]:
        """Send requests; return each with its error number (0: done) and reason."""
        results = []
        for start in range(0, len(messages), BATCH):
            batch = messages[start : start + BATCH]
            first = self.sequence + 1
            packets = []
            for message in batch:
                self.sequence += 1
                packets.append(
                    _HEADER.pack(
                        16 + len(message.body),
                        message.kind,
                        message.flags | NLM_F_REQUEST | NLM_F_ACK,
                        self.sequence,
                        0,
                    )
                    + message.body
                    + bytes(-len(message.body) % 4)
                )
            self.socket.send(b"".join(packets))
            answers: dict[int, tuple[int, str]] = {}
            while len(answers) < len(batch):
                for sequence, answer in acknowledgements(self.socket.recv(1 << 16)):
                    # Others belong to a batch that was given up waiting for.
                    if first <= sequence <= self.sequence:
                        answers[sequence] = answer
            results += [(message, *answers[first + offset]) for offset, message in enumerate(batch)]
        return results

    def ask(self, message: Message, most: int | None = None) -> list[bytes]:
        """Send a question; return the bodies of its answers (all, with NLM_F_DUMP).

        With ``most`` no more than so many; the others are left where they are.

        """
        self.sequence += 1
        header = _HEADER.pack(
            16 + len(message.body),
            message.kind,
            message.flags | NLM_F_REQUEST | NLM_F_ACK,
            self.sequence,
            0,
        )
        self.socket.send(header + message.body)
        bodies: list[bytes] = []
        while True:
            for kind, flags, sequence, body in _messages(self.socket.recv(1 << 17)):
                if sequence != self.sequence:
                    continue
                if kind == NLMSG_ERROR:
                    number, reason = _read_error(flags, body)
                    if number:
                        raise refusal(message, number, reason)
                    return bodies
                if kind == NLMSG_DONE:
                    return bodies
                bodies.append(body)
                if len(bodies) == most:
                    return bodies

    def look(self, message: Message) -> list[bytes]:
        """Send a question about what may not be there; [] where it is not."""
        try:
            return self.ask(message)
        except NetlinkError as error:
            if error.errno not in (errno.ENOENT, errno.EINVAL):
                raise
            return []

    def close(self) -> None:
        self.socket.close()


def attributes(data: bytes) -> dict[int, bytes]:
    """Read netlink attributes: type to payload, the last of each type."""
    return dict(each_attribute(data))


def each_attribute(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the payload of each netlink attribute."""
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("HH", data, offset)
        if length < 4:
            break
        yield kind & ~NLA_F_NESTED, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def _messages(packet: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield kind, flags, sequence number and body of each message."""
    offset = 0
    while offset + 16 <= len(packet):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(packet, offset)
        yield kind, flags, sequence, packet[offset + 16 : offset + length]
        offset += (length + 3) & ~3


def events_of(packet: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and body of what the kernel tells unasked."""
    for kind, _, _, body in _messages(packet):
        yield kind, body


def acknowledgements(packet: bytes) -> Iterator[tuple[int, tuple[int, str]]]:
    """Yield the sequence number of each request that was done or refused: 0, or an error."""
    for kind, flags, sequence, body in _messages(packet):
        if kind == NLMSG_ERROR:
            yield sequence, _read_error(flags, body)


def _read_error(flags: int, body: bytes) -> tuple[int, str]:
    (number,) = struct.unpack_from("i", body)
    reason = ""
    if flags & NLM_F_ACK_TLVS:
        # The request's header follows the number; with its body only where the
        # kernel is too old for NETLINK_CAP_ACK.
        (inner,) = struct.unpack_from("I", body, 4)
        reason = _reason(body[4 + (16 if flags & NLM_F_CAPPED else (inner + 3) & ~3) :])
    return -number, reason


def _reason(attributes: bytes) -> str:
    offset = 0
    while offset + 4 <= len(attributes):
        length, kind = struct.unpack_from("HH", attributes, offset)
        if length < 4:
            break
        if kind == NLMSGERR_ATTR_MSG:
            return attributes[offset + 4 : offset + length].rstrip(b"\0").decode("utf-8", "replace")
        offset += (length + 3) & ~3
    return ""


def attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def text_attribute(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode() + b"\0")


def attempt(netlink: Netlink, message: Message, *harmless: int) -> None:
    """Send what may have nothing to do."""
    [(message, number, reason)] = netlink.attempt([message])
    if number and number not in harmless:
        raise refusal(message, number, reason)


@contextlib.contextmanager
def sockets_to(ends: Sequence[Request]) -> Iterator[list[Netlink]]:
    """Open a socket to each end's namespace; in the end be where this was before."""
    with coming_back() as own, contextlib.ExitStack() as opened:
        sockets = []
        for end in ends:
            setns(own, CLONE_NEWNET)
            sockets.append(Netlink(end["pid"]))
            opened.callback(sockets[-1].close)
        setns(own, CLONE_NEWNET)
        yield sockets


def in_each(ends: Sequence[Request]) -> Iterator[tuple[Request, Netlink]]:
    """Yield ends, each with a socket to its namespace, in which this process then is.

    Sockets close with the process, and so does its stay there: for workers.

    """
    with coming_back() as own:
        for end in ends:
            setns(own, CLONE_NEWNET)
            yield end, Netlink(end["pid"])


def read_number(found: dict[int, bytes], kind: int) -> int | None:
    return struct.unpack("I", found[kind])[0] if kind in found else None


def plain_text(data: bytes | None) -> str:
    return (data or b"").rstrip(b"\0").decode("utf-8", "replace")
