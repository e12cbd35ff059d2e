"""IP packets: their headers, read in one place for all who look at packets.

What comes from the network may be anything: cut off, and with lengths that are not true.

"""

# RFC 791 (IPv4), RFC 8200 (IPv6).

from __future__ import annotations

import socket

_IPV4_HEADER, _IPV6_HEADER = 20, 40

# RFC 8200, section 4: hop-by-hop, routing, destination options; RFC 4302: authentication.
_FRAGMENT, _AUTHENTICATION = 44, 51
_EXTENSIONS = (0, 43, _FRAGMENT, _AUTHENTICATION, 60)


def carried(packet: bytes) -> tuple[int, bytes] | None:
    """Return the protocol that an IP packet carries, and its bytes; None for no IP packet.

    Padding behind the packet is left out.  A length of 0 is an offload's, which says nothing.

    """
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= _IPV4_HEADER:
        begin, end = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
        return packet[9], packet[begin : end if end >= _IPV4_HEADER else len(packet)]
    if version != 6 or len(packet) < _IPV6_HEADER:
        return None
    length, protocol, at = int.from_bytes(packet[4:6], "big"), packet[6], _IPV6_HEADER
    end = min(at + length, len(packet)) if length else len(packet)
    while protocol in _EXTENSIONS and at + 2 <= end:
        following, size = packet[at], (packet[at + 1] + 1) * 8
        if protocol == _FRAGMENT:
            size = 8
        elif protocol == _AUTHENTICATION:
            size = (packet[at + 1] + 2) * 4
        protocol, at = following, at + size
    return protocol, packet[at:end]


def ends(packet: bytes) -> tuple[str, str] | None:
    """Return the source and the destination of an IP packet; None for no IP packet."""
    if carried(packet) is None:
        return None
    family, at, size = (socket.AF_INET, 12, 4) if packet[0] >> 4 == 4 else (socket.AF_INET6, 8, 16)
    middle = at + size
    source, destination = packet[at:middle], packet[middle : middle + size]
    return socket.inet_ntop(family, source), socket.inet_ntop(family, destination)
