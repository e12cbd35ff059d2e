"""Words for the messages by which IPv6 configures itself: router advertisements, DHCPv6.  Pure."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv6Address

# RFC 4861 section 4.6, RFC 8106 section 5
_PREFIX, _RDNSS = 3, 25
# RFC 4861 section 4.2, and RFC 4191 section 2.2 for the preference
_MANAGED, _OTHER, _AUTONOMOUS = 0x80, 0x40, 0x40
_PREFERENCES = {0x08: "high", 0x18: "low"}

# RFC 8415 section 7.3
_DHCPV6 = {
    1: "Solicit",
    2: "Advertise",
    3: "Request",
    4: "Confirm",
    5: "Renew",
    6: "Rebind",
    7: "Reply",
    8: "Release",
    9: "Decline",
    10: "Reconfigure",
    11: "Information-request",
    12: "Relay-forward",
    13: "Relay-reply",
}
# RFC 8415 section 21: options with an address or a prefix, and the associations that hold them.
_IA_NA, _IA_ADDRESS, _IA_PD, _IA_PREFIX = 3, 5, 25, 26


def advertisement_words(body: bytes) -> str:
    """Return what a router advertisement says, without its ICMPv6 header: "" if it is none.

    >>> advertisement_words(bytes([64, 0xC0, 7, 8]) + bytes(8))
    'lifetime 1800 s, managed, other'

    """
    if len(body) < 12:
        return ""
    flags, lifetime_s = struct.unpack_from("!xBH", body)
    words = [f"lifetime {lifetime_s} s"]
    words += ["managed"] if flags & _MANAGED else []
    words += ["other"] if flags & _OTHER else []
    words += [f"preference {one}"] if (one := _PREFERENCES.get(flags & 0x18)) else []
    for kind, option in _neighbour_options(body[12:]):
        if kind == _PREFIX and len(option) >= 32:
            prefix = f"{IPv6Address(option[16:32])}/{option[2]}"
            words.append(f"prefix {prefix}" + ("" if option[3] & _AUTONOMOUS else " (no SLAAC)"))
        elif kind == _RDNSS and len(option) >= 24:
            words.append(f"name server {IPv6Address(option[8:24])}")
    return ", ".join(words)


def dhcpv6_words(payload: bytes) -> str:
    """Return what a message of DHCPv6 is and gives.

    >>> dhcpv6_words(bytes([11, 0, 0, 1]))
    'Information-request'

    """
    if not payload:
        return ""
    words = [_DHCPV6.get(payload[0], f"type {payload[0]}")]
    # A relay's header has other fields (RFC 8415 section 9), and is not looked into.
    for kind, option in _options(payload[4:]) if payload[0] < 12 else ():
        if kind in (_IA_NA, _IA_PD):
            words += [
                _given(inner, text) for inner, text in _options(option[12:]) if _given(inner, text)
            ]
    return " ".join(words)


def _given(kind: int, option: bytes) -> str:
    if kind == _IA_ADDRESS and len(option) >= 16:
        return socket.inet_ntop(socket.AF_INET6, option[:16])
    if kind == _IA_PREFIX and len(option) >= 25:
        return f"{socket.inet_ntop(socket.AF_INET6, option[9:25])}/{option[8]}"
    return ""


def _neighbour_options(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 8 and data[1]:
        yield data[0], data[: 8 * data[1]]
        data = data[8 * data[1] :]


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        kind, length = struct.unpack_from("!HH", data)
        yield kind, data[4 : 4 + length]
        data = data[4 + length :]
