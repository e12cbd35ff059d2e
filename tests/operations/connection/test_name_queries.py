"""Replies of name servers, of which some are hostile."""

from __future__ import annotations

import dpkt
import pytest

from playground.operations.connection.name_queries import addresses_in


def _reply(*records: tuple[int, bytes]) -> bytes:
    reply = dpkt.dns.DNS(id=1, qr=1, qd=[dpkt.dns.DNS.Q(name="www.example", type=1)])
    head = bytes(reply)
    parts = [
        b"\xc0\x0c"
        + kind.to_bytes(2, "big")
        + b"\0\1\0\0\0\x3c"
        + len(data).to_bytes(2, "big")
        + data
        for kind, data in records
    ]
    return head[:6] + len(parts).to_bytes(2, "big") + head[8:] + b"".join(parts)


def test_addresses_of_a_reply_are_those_of_the_kind_asked_for() -> None:
    alias, v4, v6 = b"\3web\xc0\x10", bytes((10, 0, 0, 1)), bytes(15) + b"\1"
    reply = _reply((5, alias), (1, v4), (28, v6))
    assert addresses_in(reply, 1) == ["10.0.0.1"]
    assert addresses_in(reply, 28) == ["::1"]


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\0" * 12,
        b"\xff" * 60,
        _reply((1, b"\1\2")),
        _reply((1, bytes(4)))[:-3],
        # A name that leads to itself: RFC 1035 section 4.1.4.
        b"\0\1\x80\0\0\1\0\1\0\0\0\0\xc0\x0c\0\1\0\1",
    ],
    ids=["empty", "no answer", "noise", "short address", "cut off", "circle"],
)
def test_what_is_no_answer_has_no_addresses(reply: bytes) -> None:
    assert addresses_in(reply, 1) == []
