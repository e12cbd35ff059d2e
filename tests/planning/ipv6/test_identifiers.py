"""Identifiers of interfaces, as RFC 4291 and Linux make them."""

from __future__ import annotations

import hashlib
import struct
from ipaddress import ip_address, ip_network

from playground.planning.ipv6.identifiers import _sha1_round, eui64, secret, stable


def test_a_mac_address_becomes_an_identifier() -> None:
    # The example of RFC 4291 appendix A.
    assert eui64("34:56:78:9a:bc:de") == 0x36567800009ABCDE | 0xFFFE000000


def test_one_round_is_that_of_sha_1() -> None:
    # A message of 55 bytes with its padding is one block: FIPS 180-4, section 5.1.1.
    message = bytes(range(55))
    block = message + b"\x80" + (8 * len(message)).to_bytes(8, "big")
    high, low = struct.unpack(">II", hashlib.sha1(message).digest()[:8])
    assert _sha1_round(block) == int.from_bytes(struct.pack("<II", high, low), "big")


def test_a_stable_identifier_is_another_on_another_network() -> None:
    key = secret("lab", "h1", "eth0")
    assert key == secret("lab", "h1", "eth0") != secret("lab", "h2", "eth0")
    here, there = ip_network("2001:db8:1::/64"), ip_network("2001:db8:2::/64")
    assert stable(key, here) == stable(key, here) != stable(key, there)
    assert stable(ip_address("2001:db8::1"), here) < 1 << 64  # type: ignore[arg-type]
