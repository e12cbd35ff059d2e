"""DNS messages in words."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.operations.captures.dns_words import describe, read_name

NS, A, SOA, OPT, MX, SRV = 2, 1, 6, 41, 15, 33


def name(text: str) -> bytes:
    labels = [label.encode() for label in text.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def record(owner: str, kind: int, data: bytes) -> bytes:
    return name(owner) + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


def message(
    flags: int,
    question: tuple[str, int],
    *sections: list[bytes],
) -> bytes:
    """A message of DNS: answers, authority, additional."""
    counts = [len(section) for section in sections] + [0] * (3 - len(sections))
    asked = name(question[0]) + struct.pack("!HH", question[1], 1)
    records = b"".join(b"".join(section) for section in sections)
    return struct.pack("!6H", 0x1234, flags, 1, *counts) + asked + records


def test_the_roots_name_is_a_dot() -> None:
    assert describe(message(0, (".", NS))) == "query 0x1234 NS ."
    answer = message(0x8400, (".", NS), [record(".", NS, name("a.root"))])
    assert describe(answer) == "response 0x1234 NS . NS a.root, authoritative"


def test_a_referral_is_told_with_its_glue() -> None:
    servers = [record("net", NS, name("ns1.net")), record("net", NS, name("ns2.net"))]
    glue = [record("ns1.net", A, bytes([10, 0, 0, 1])), record(".", OPT, b"")]
    assert describe(message(0x8000, ("www.net", A), [], servers, glue)) == (
        "response 0x1234 A www.net, referral: net NS ns1.net, net NS ns2.net, "
        "glue: ns1.net A 10.0.0.1"
    )


def test_an_answer_with_authority_is_no_referral() -> None:
    address = record("www.net", A, bytes([10, 0, 0, 9]))
    servers, more = record("net", NS, name("ns.net")), record("ns.net", A, bytes([10, 0, 0, 1]))
    assert describe(message(0x8400, ("www.net", A), [address], [servers], [more])) == (
        "response 0x1234 A www.net A 10.0.0.9, authority: net NS ns.net, "
        "additional: ns.net A 10.0.0.1, authoritative"
    )
    soa = record("net", SOA, name("ns.net") + name("root.net") + bytes(20))
    assert describe(message(0x8403, ("no.net", A), [], [soa])) == (
        "response 0x1234 No such name A no.net, authority: net SOA ns.net, authoritative"
    )


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        (MX, b"\0\x0a" + name("mail.net"), "MX 10 mail.net"),
        (SRV, struct.pack("!3H", 1, 2, 80) + name("www.net"), "SRV 1 2 80 www.net"),
        (28, bytes(15) + b"\1", "AAAA ::1"),
        (1234, b"xyz", "TYPE1234"),
    ],
)
def test_records_are_told(kind: int, data: bytes, told: str) -> None:
    text = describe(message(0x8000, ("net", kind), [record("net", kind, data)]))
    assert text.endswith(f" net {told}")


def test_what_was_cut_off_is_left_out() -> None:
    whole = message(0x8200, ("net", NS), [record("net", NS, name("ns.net"))])
    assert describe(whole[:-3]) == "response 0x1234 NS net, truncated"


def test_a_name_that_leads_back_to_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="back to itself"):
        read_name(b"\x01a\xc0\x00", 0)
    assert read_name(b"\x01a\0\x01b\xc0\x00", 3) == ("b.a", 7)


@given(st.binary())
def test_no_message_breaks_the_reader(data: bytes) -> None:
    for text in (data, message(0x8000, ("net", NS), [data, data])):
        if len(text) >= 12:
            assert describe(text)
