"""Replies of name servers in bytes: read as dig prints them, and none of what is hostile."""

from __future__ import annotations

import struct

import pytest

from playground.model.services.dns_records import question, wire_name
from playground.operations.diagnosis.names.dig_replies import DnsRecord
from playground.operations.diagnosis.names.wire_replies import NUMBERS, can_ask, read_wire

ASKED = question("www.example.com", 1, recursion=True)
# The name asked for, and its part "example.com".
HERE, DOMAIN = b"\xc0\x0c", b"\xc0\x10"


def reply(*records: tuple[int, bytes], flags: int = 0x8400, owner: bytes = HERE) -> bytes:
    head = ASKED[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0)
    rows = (owner + struct.pack("!HHIH", kind, 1, 60, len(data)) + data for kind, data in records)
    return head + ASKED[12:] + b"".join(rows)


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("A", bytes((10, 0, 0, 1)), "10.0.0.1"),
        ("AAAA", bytes(15) + b"\1", "::1"),
        ("NS", b"\2ns" + DOMAIN, "ns.example.com."),
        ("CNAME", DOMAIN, "example.com."),
        ("PTR", wire_name("a.b"), "a.b."),
        ("MX", b"\0\x0a\4mail" + DOMAIN, "10 mail.example.com."),
        ("SRV", struct.pack("!3H", 1, 2, 80) + HERE, "1 2 80 www.example.com."),
        ("TXT", b'\5hello\3a"b', r'"hello" "a\"b"'),
        ("CAA", b"\0\5issueca.org", '0 issue "ca.org"'),
        (
            "SOA",
            b"\2ns" + DOMAIN + b"\4root" + DOMAIN + struct.pack("!5I", 1, 2, 3, 4, 5),
            "ns.example.com. root.example.com. 1 2 3 4 5",
        ),
    ],
)
def test_each_type_is_told_as_dig_prints_it(kind: str, data: bytes, said: str) -> None:
    found = read_wire(reply((NUMBERS[kind], data)), ASKED)
    assert found is not None
    assert (found.status, found.authority) == ("NOERROR", True)
    assert found.answers == (DnsRecord("www.example.com.", kind, said),)


def test_a_type_that_nobody_here_reads_does_not_hide_others() -> None:
    found = read_wire(reply((46, b"\1\2"), (1, bytes(4))), ASKED)
    assert found is not None
    assert [(one.type, one.data) for one in found.answers] == [
        ("TYPE46", r"\# 2 0102"),
        ("A", "0.0.0.0"),
    ]


def test_a_status_is_that_of_the_head() -> None:
    for flags, status in ((0x8183, "NXDOMAIN"), (0x8185, "REFUSED"), (0x8380, "TRUNCATED")):
        found = read_wire(reply(flags=flags), ASKED)
        assert found is not None and (found.status, found.authority) == (status, False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(12),
        b"\xff" * 60,
        ASKED,
        reply((1, b"\1\2")),
        reply((1, bytes(4)))[:-3],
        reply((1, bytes(4)), owner=b"\xc0\x22"),
        b"xx" + reply((1, bytes(4)))[2:],
        reply((1, bytes(4))).replace(b"\3www", b"\3wwx"),
    ],
    ids=["empty", "zeros", "noise", "no answer", "short", "cut", "circle", "number", "question"],
)
def test_what_is_no_answer_is_none(data: bytes) -> None:
    assert read_wire(data, ASKED) is None


def test_what_the_agent_cannot_ask_is_left_to_dig() -> None:
    assert can_ask("www.example.com.", "TXT")
    assert not can_ask("example.com", "DNSKEY")
    assert not can_ask(".", "NS")
