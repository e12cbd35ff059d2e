"""DNS messages in words: the question, answers, referrals with their glue (RFC 1035).

A reader of its own, and not dpkt's, which loses the whole message for one name that is not
UTF-8 and knows no section but the answers.  What a capture cut off is left out.

"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import ip_address

from playground.model.records import dataclass

# www.iana.org/assignments/dns-parameters
TYPES = {
    1: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    12: "PTR",
    15: "MX",
    16: "TXT",
    28: "AAAA",
    33: "SRV",
    39: "DNAME",
    41: "OPT",
    43: "DS",
    46: "RRSIG",
    47: "NSEC",
    48: "DNSKEY",
    64: "SVCB",
    65: "HTTPS",
    251: "IXFR",
    252: "AXFR",
    255: "ANY",
}
_ERRORS = {1: "Format error", 2: "Server failure", 3: "No such name", 5: "Refused"}
_OPERATIONS = {0: "", 2: "status ", 4: "notify ", 5: "update "}
_NAMED = ("NS", "CNAME", "PTR", "DNAME", "SOA")  # their data begins with a name
_QR, _AA, _TC = 0x8000, 0x0400, 0x0200


@dataclass(frozen=True)
class Record:
    """A resource record: whose it is, its type by name, its data in words."""

    name: str
    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.name} {self.said}"

    @property
    def said(self) -> str:
        """The record without its owner."""
        return f"{self.kind} {self.value}".rstrip()


def describe(message: bytes) -> str:
    """Say what a DNS message asks or answers.

    The root's name is ".".  An answer that only names other servers is a referral, and the
    addresses that come with it are glue (RFC 9499).  Raises `ValueError` for what has no
    whole header.

    """
    if len(message) < 12:
        raise ValueError("a DNS message has 12 bytes at least")
    number, flags, *counts = struct.unpack_from("!6H", message)
    questions, sections = _read(message, counts)
    operation = flags >> 11 & 15
    verb = _OPERATIONS.get(operation, f"operation {operation} ")
    asked = " ".join(f"{kind} {name}" for name, kind in questions)
    if not flags & _QR:
        return f"{verb}query {number:#06x} {asked}".rstrip()
    answers, authority, additional = sections
    code = flags & 15
    error = _ERRORS.get(code, "" if not code else f"error {code}")
    said = [f"{verb}response {number:#06x}", error, asked, *(item.said for item in answers)]
    text = " ".join(filter(None, said))
    servers = {item.value for item in authority if item.kind == "NS"}
    referral = bool(servers) and not answers and not code and not flags & _AA
    for title, records in (
        ("referral" if referral else "authority", authority),
        ("glue", [item for item in additional if referral and item.name in servers]),
        ("additional", [item for item in additional if not referral or item.name not in servers]),
    ):
        if records := [item for item in records if item.kind != "OPT"]:
            text += f", {title}: {', '.join(map(str, records))}"
    return text + (", truncated" if flags & _TC else "") + _authoritative(flags)


def _authoritative(flags: int) -> str:
    return ", authoritative" if flags & _AA else ""


def _read(
    message: bytes, counts: Iterable[int]
) -> tuple[list[tuple[str, str]], tuple[list[Record], list[Record], list[Record]]]:
    """Read as much of all sections as there is."""
    asked, *rest = counts
    questions: list[tuple[str, str]] = []
    sections: tuple[list[Record], list[Record], list[Record]] = ([], [], [])
    at = 12
    try:
        for _ in range(asked):
            name, at = read_name(message, at)
            questions.append((name, _type(struct.unpack_from("!H", message, at)[0])))
            at += 4
        for section, count in zip(sections, rest, strict=True):
            for _ in range(count):
                name, at = read_name(message, at)
                kind, _, _, length = struct.unpack_from("!HHIH", message, at)
                at += 10
                if at + length > len(message):
                    return questions, sections
                section.append(Record(name, _type(kind), _value(message, kind, at, length)))
                at += length
    except (ValueError, struct.error):
        pass
    return questions, sections


def read_name(message: bytes, at: int) -> tuple[str, int]:
    """Read a name, and return it with where it ends; the root is ".".

    Raises `ValueError` for what is no name, such as one that leads back to itself.

    """
    labels: list[str] = []
    end, lowest, size = 0, at, 0
    while True:
        if at >= len(message):
            raise ValueError("a name that is cut off")
        length = message[at]
        if length >= 0xC0:
            if at + 1 >= len(message):
                raise ValueError("a name that is cut off")
            end = end or at + 2
            # RFC 1035, 4.1.4: a prior occurrence, so that each pointer leads further back.
            at = (length & 0x3F) << 8 | message[at + 1]
            if at >= lowest:
                raise ValueError("a name that leads back to itself")
            lowest = at
            continue
        if length > 63:
            raise ValueError("a label of a kind that there is not")
        at += 1
        if not length:
            return ".".join(labels) or ".", end or at
        size += length + 1
        if size > 255 or at + length > len(message):
            raise ValueError("a name that is too long")
        labels.append(message[at : at + length].decode("utf-8", "replace"))
        at += length


def _type(number: int) -> str:
    return TYPES.get(number, f"TYPE{number}")  # as RFC 3597 has it


def _value(message: bytes, number: int, at: int, length: int) -> str:
    data, kind = message[at : at + length], _type(number)
    if (kind, length) in (("A", 4), ("AAAA", 16)):
        return str(ip_address(data))
    try:
        if kind in _NAMED:
            return read_name(message, at)[0]
        if kind == "MX" and length > 2:  # RFC 1035, 3.3.9
            return f"{int.from_bytes(data[:2], 'big')} {read_name(message, at + 2)[0]}"
        if kind == "SRV" and length > 6:  # RFC 2782
            numbers = " ".join(map(str, struct.unpack_from("!3H", data)))
            return f"{numbers} {read_name(message, at + 6)[0]}"
    except ValueError:
        return ""
    if kind == "TXT":
        texts, rest = [], data
        while rest:
            texts.append(rest[1 : 1 + rest[0]].decode("utf-8", "replace"))
            rest = rest[1 + rest[0] :]
        return " ".join(texts)
    return ""
