"""Router advertisements and DHCPv6 in words."""

from __future__ import annotations

import socket
import struct

from hypothesis import given
from hypothesis import strategies as st

from playground.operations.captures.ipv6_messages import advertisement_words, dhcpv6_words


def packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6, address)


def test_an_advertisement_tells_its_flags_and_its_prefix() -> None:
    # RFC 4861 sections 4.2 and 4.6.2; the last option is that of RFC 8106 section 5.1.
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86400, 14400, 0) + packed("2001:db8:1::")
    no_slaac = struct.pack("!BBBBIII", 3, 4, 64, 0x80, 86400, 14400, 0) + packed("2001:db8:2::")
    rdnss = struct.pack("!BBHI", 25, 3, 0, 20) + packed("2001:db8::53")
    body = struct.pack("!BBHII", 64, 0x88, 1800, 0, 0) + prefix + no_slaac + rdnss
    assert advertisement_words(body) == (
        "lifetime 1800 s, managed, preference high, prefix 2001:db8:1::/64, "
        "prefix 2001:db8:2::/64 (no SLAAC), name server 2001:db8::53"
    )


def test_a_reply_tells_what_it_gives() -> None:
    # RFC 8415 sections 8, 21.4, 21.6 and 21.22.
    address = struct.pack("!HH", 5, 24) + packed("2001:db8::100") + struct.pack("!II", 1, 2)
    prefix = struct.pack("!HHIIB", 26, 25, 1, 2, 56) + packed("2001:db8:100::")
    na = struct.pack("!HHIII", 3, 12 + len(address), 1, 2, 3) + address
    pd = struct.pack("!HHIII", 25, 12 + len(prefix), 1, 2, 3) + prefix
    assert dhcpv6_words(bytes([7, 0, 0, 1]) + na + pd) == "Reply 2001:db8::100 2001:db8:100::/56"
    assert dhcpv6_words(bytes([1, 0, 0, 1])) == "Solicit"


@given(st.binary(max_size=120))
def test_anything_may_come(data: bytes) -> None:
    assert isinstance(advertisement_words(data), str)
    assert isinstance(dhcpv6_words(data), str)
