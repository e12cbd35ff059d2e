"""Replies of name servers as they travel: asked for from a node's network, by no program of it.

Who is root on a node can put anything in the place of its dig(1): what is to be believed is
asked by the agent, in a datagram of its own.  Source: RFC 1035 section 4, and for types RFC 2782
(SRV), RFC 3596 (AAAA) and RFC 8659 (CAA).

"""

from __future__ import annotations

import base64
import secrets
import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from playground.model.services.dns_records import question
from playground.operations.connection.handles import Node
from playground.operations.diagnosis.names.dig_replies import PATIENCE_S, DnsRecord, DnsReply

NUMBERS = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "SRV": 33,
    "CAA": 257,
}
_TYPES = {number: name for name, number in NUMBERS.items()}
# IANA, DNS RCODEs
_STATUS = (
    *("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN"),
    *("YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"),
)
_REPLY, _AUTHORITY, _CUT_OFF = 0x8000, 0x0400, 0x0200
_OPT = 41
# RFC 6891: no name, OPT, room for 1,232 bytes, as dig asks for.
_MORE_ROOM = b"\0" + struct.pack("!HHIH", _OPT, 1232, 0, 0)
_MOST_RECORDS = 500
_MOST_NAME_BYTES = 255
# What a text in quotes has escaped.
_QUOTED = b'"\\'


def can_ask(name: str, kind: str) -> bool:
    """Return whether the agent can put this question; else it takes the node's dig(1).

    >>> can_ask("example.com", "MX"), can_ask("example.com", "DNSKEY")
    (True, False)

    """
    if kind not in NUMBERS:
        return False
    labels = name.rstrip(".").split(".")
    # A root's own name, ".", has none; what is escaped is dig's affair.
    return name.isascii() and "\\" not in name and all(0 < len(one) <= 63 for one in labels)


def ask_from(node: Node, server: str, name: str, kind: str = "A") -> DnsReply | None:
    """Ask a name server from a node's network, with recursion; None where no answer comes.

    A reply that is too long for a datagram is one with status "TRUNCATED", without records.

    """
    found = _ask(node, server, name.rstrip("."), kind, _MORE_ROOM)
    if found is not None and found.status in ("FORMERR", "NOTIMP"):
        # RFC 6891 section 7: it knows no EDNS.
        found = _ask(node, server, name.rstrip("."), kind, b"")
    return found


def _ask(node: Node, server: str, name: str, kind: str, room: bytes) -> DnsReply | None:
    live = node.running()
    plain = question(name, NUMBERS[kind], recursion=True)
    # By a number that nobody guesses, and with room for a longer answer (EDNS).
    asked = secrets.token_bytes(2) + plain[2:11] + bytes((bool(room),)) + plain[12:] + room
    [answer] = live.agent.call(
        "ask_datagrams",
        pid=live.pid,
        payloads=[base64.b64encode(asked).decode()],
        servers=[str(ip_address(server))],
        port=53,
        timeout_s=PATIENCE_S,
    )
    return None if answer is None else read_wire(base64.b64decode(answer), asked)


def read_wire(reply: bytes, asked: bytes) -> DnsReply | None:
    """Return the reply in bytes that came; None where they are no answer to the question.

    ``asked`` is the question as it was sent.  Who answers may be hostile.

    """
    try:
        return _read(reply, asked)
    except (struct.error, IndexError, ValueError):
        return None


def _read(reply: bytes, asked: bytes) -> DnsReply | None:
    number, flags, questions, *counts = struct.unpack_from("!6H", reply)
    if number.to_bytes(2, "big") != asked[:2] or not flags & _REPLY or questions > 1:
        return None
    at = 12
    if questions:
        (name, at), (wanted, end) = _name(reply, at), _name(asked, 12)
        if name.lower() != wanted.lower() or reply[at : at + 4] != asked[end : end + 4]:
            return None
        at += 4
    code = flags & 15
    status = _STATUS[code] if code < len(_STATUS) else f"RESERVED{code}"
    if flags & _CUT_OFF:
        return DnsReply("TRUNCATED")
    if sum(counts) > _MOST_RECORDS:
        return None
    sections: list[tuple[DnsRecord, ...]] = []
    for count in counts:
        records = []
        for _ in range(count):
            owner, at = _name(reply, at)
            kind, _class, _ttl, length = struct.unpack_from("!HHIH", reply, at)
            at, end = at + 10, at + 10 + length
            if end > len(reply):
                return None
            if kind != _OPT:
                said = _TYPES.get(kind, f"TYPE{kind}")
                records.append(DnsRecord(owner.lower(), said, _data(reply, at, end, said)))
            at = end
        sections.append(tuple(records))
    answers, referrals, additional = sections
    return DnsReply(status, bool(flags & _AUTHORITY), answers, referrals, additional)


def _name(message: bytes, at: int) -> tuple[str, int]:
    """Return a name with its last dot, and where what follows it begins."""
    labels: list[str] = []
    end, used = -1, 0
    while length := message[at]:
        if length >= 0xC0:
            to = (length & 0x3F) << 8 | message[at + 1]
            end = at + 2 if end < 0 else end
            if to >= at:  # each leads further back, so that none is a circle
                raise ValueError("a name that leads nowhere")
            at = to
            continue
        used += length + 1
        if length > 63 or used > _MOST_NAME_BYTES or at + 1 + length > len(message):
            raise ValueError("no name")
        labels.append(_escaped(message[at + 1 : at + 1 + length], b'."();@$\\', b" "))
        at += 1 + length
    return ".".join(labels) + ".", at + 1 if end < 0 else end


def _escaped(data: bytes, marked: bytes, numbered: bytes = b"") -> str:
    """Return bytes as a zone file has them (RFC 1035 section 5.1)."""
    return "".join(
        f"\\{one:03d}"
        if one in numbered or not 32 <= one < 127
        else f"\\{chr(one)}"
        if one in marked
        else chr(one)
        for one in data
    )


def _quoted(data: bytes) -> str:
    return f'"{_escaped(data, _QUOTED)}"'


def _data(message: bytes, at: int, end: int, kind: str) -> str:
    """Return the data of a record as dig(1) prints it."""
    data = message[at:end]
    read: dict[str, Callable[[], str]] = {
        "A": lambda: str(IPv4Address(data)),
        "AAAA": lambda: str(IPv6Address(data)),
        "SOA": lambda: _start_of_authority(message, at),
        "MX": lambda: f"{_number(data, 0)} {_name(message, at + 2)[0]}",
        "SRV": lambda: " ".join(
            [*(str(_number(data, place)) for place in (0, 2, 4)), _name(message, at + 6)[0]]
        ),
        "TXT": lambda: _texts(data),
        "CAA": lambda: (
            f"{data[0]} {_escaped(data[2 : 2 + data[1]], _QUOTED)} {_quoted(data[2 + data[1] :])}"
        ),
    }
    if kind in ("NS", "CNAME", "PTR"):
        return _name(message, at)[0]
    # RFC 3597 section 5
    return read[kind]() if kind in read else f"\\# {len(data)} {data.hex().upper()}".rstrip()


def _number(data: bytes, at: int) -> int:
    return int(struct.unpack_from("!H", data, at)[0])


def _start_of_authority(message: bytes, at: int) -> str:
    server, at = _name(message, at)
    mailbox, at = _name(message, at)
    return " ".join(map(str, (server, mailbox, *struct.unpack_from("!5I", message, at))))


def _texts(data: bytes) -> str:
    texts = []
    while data:
        texts.append(_quoted(data[1 : 1 + data[0]]))
        data = data[1 + data[0] :]
    return " ".join(texts)
