"""Interface identifiers: the half of an IPv6 address that an interface makes itself."""

from __future__ import annotations

import hashlib
import struct
from ipaddress import IPv6Address

from playground.model.addresses import Network
from playground.planning.interface_names import link_local

_HALF = (1 << 64) - 1


def eui64(mac: str) -> int:
    """Return the identifier that is made of a MAC address (RFC 4291 appendix A).

    >>> hex(eui64("02:64:50:06:7b:40"))
    '0x6450fffe067b40'

    """
    return int(link_local(mac)) & _HALF


def secret(lab: str, node: str, interface: str) -> IPv6Address:
    """Return the secret of an interface, the same for the same names; the kernel takes 128 bits."""
    # As with MAC addresses: a lab is the same on every run.
    text = "\0".join(("stable", lab, node, interface))
    return IPv6Address(hashlib.sha256(text.encode()).digest()[:16])


def stable(key: IPv6Address, network: Network) -> int:
    """Return the identifier that Linux makes of a secret and a prefix (RFC 7217 section 5).

    The RFC leaves the function to the system.  It is one round of SHA-1 here, over the secret,
    the prefix, the interface's permanent MAC address (a veth has none: zeros), and how many
    addresses were found taken.

    """
    # ipv6_generate_stable_address() of net/ipv6/addrconf.c
    prefix = network.network_address.packed[:8]
    return _sha1_round(key.packed + prefix + bytes(32) + b"\0" + bytes(7))


def _sha1_round(block: bytes) -> int:
    """Return the first 64 bits after one block of SHA-1 (FIPS 180-4, 6.1.2), without padding."""
    words = list(struct.unpack(">16I", block))
    for number in range(16, 80):
        words.append(
            _rotated(
                words[number - 3] ^ words[number - 8] ^ words[number - 14] ^ words[number - 16], 1
            )
        )
    first = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
    a, b, c, d, e = first
    for number, word in enumerate(words):
        if number < 20:
            mixed, constant = (b & c) | (~b & d), 0x5A827999
        elif number < 40:
            mixed, constant = b ^ c ^ d, 0x6ED9EBA1
        elif number < 60:
            mixed, constant = (b & c) | (b & d) | (c & d), 0x8F1BBCDC
        else:
            mixed, constant = b ^ c ^ d, 0xCA62C1D6
        a, b, c, d, e = (
            (_rotated(a, 5) + mixed + e + constant + word) & 0xFFFFFFFF,
            a,
            _rotated(b, 30),
            c,
            d,
        )
    high, low = (first[0] + a) & 0xFFFFFFFF, (first[1] + b) & 0xFFFFFFFF
    # The kernel keeps both as numbers of the machine, which is little-endian.
    return int.from_bytes(struct.pack("<II", high, low), "big")


def _rotated(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (32 - bits))) & 0xFFFFFFFF
