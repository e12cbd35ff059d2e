"""Messages of a DHCP client, written and read: RFC 2131, options RFC 2132."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from playground.agent.network.ip_packets import carried
from playground.agent.protocol import Request

DHCP_SERVER_PORT, DHCP_CLIENT_PORT = 67, 68
DHCP_MAGIC = 0x63825363
DHCP_BROADCAST = 0x8000
DHCP_DISCOVER, DHCP_OFFER, DHCP_REQUEST, DHCP_DECLINE, DHCP_ACK, DHCP_NAK = 1, 2, 3, 4, 5, 6
DHCP_MASK, DHCP_ROUTER, DHCP_DNS, DHCP_HOSTNAME, DHCP_DOMAIN = 1, 3, 6, 12, 15
DHCP_REQUESTED, DHCP_LEASE, DHCP_KIND, DHCP_SERVER, DHCP_WANTED, DHCP_CLIENT = (
    50,
    51,
    53,
    54,
    55,
    61,
)
DHCP_END = 255
# The longest lease that is kept, also for one that never ends (0xffffffff).
DHCP_LONGEST_S = 7 * 24 * 3600.0

ARP_REQUEST = 1
_ARP = struct.Struct("!HHBBH6s4s6s4s")


def dhcp_message(
    kind: int,
    transaction: int,
    mac: bytes,
    address: str = "0.0.0.0",
    options: Sequence[tuple[int, bytes]] = (),
    broadcast: bool = True,
) -> bytes:
    """Build what a client sends; ``address`` is the one that it has already.

    With ``broadcast`` the answer is to come to everybody, for one that has no address yet.

    """
    head = struct.pack(
        "!BBBBIHH4s4s4s4s16s192xI",
        1,  # a request
        1,
        6,
        0,
        transaction,
        0,
        DHCP_BROADCAST if broadcast else 0,
        socket.inet_aton(address),
        bytes(4),
        bytes(4),
        bytes(4),
        mac,
        DHCP_MAGIC,
    )
    wanted = bytes([DHCP_MASK, DHCP_ROUTER, DHCP_DNS, DHCP_DOMAIN, DHCP_LEASE])
    first = ((DHCP_KIND, bytes([kind])), (DHCP_CLIENT, b"\x01" + mac), (DHCP_WANTED, wanted))
    body = b"".join(bytes([code, len(data)]) + data for code, data in (*first, *options))
    # BOOTP's 64 bytes of options at least (RFC 1542, 2.1).
    return head + (body + bytes([DHCP_END])).ljust(60, b"\0")


def broadcast_datagram(payload: bytes, source: str) -> bytes:
    """Put a client's message into UDP and IP, to everybody on the link."""
    udp = struct.pack("!HHHH", DHCP_CLIENT_PORT, DHCP_SERVER_PORT, 8 + len(payload), 0)
    addresses = socket.inet_aton(source) + b"\xff\xff\xff\xff"
    pseudo = addresses + struct.pack("!BBH", 0, socket.IPPROTO_UDP, 8 + len(payload))
    checksum = internet_checksum(pseudo + udp + payload) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", checksum)
    length = 28 + len(payload)
    head = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    head = head[:10] + struct.pack("!H", internet_checksum(head)) + head[12:]
    return head + udp + payload


def internet_checksum(data: bytes) -> int:
    """Return the checksum of RFC 1071."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def read_dhcp(packet: bytes, transaction: int) -> tuple[int, str, dict[int, bytes]] | None:
    """Read an IP packet: kind, address given and options; None for what is no answer to us."""
    protocol, datagram = carried(packet) or (0, b"")
    if protocol != socket.IPPROTO_UDP:
        return None
    payload = datagram[8:]
    if datagram[:4] != struct.pack("!HH", DHCP_SERVER_PORT, DHCP_CLIENT_PORT):
        return None
    if len(payload) < 240 or payload[0] != 2:
        return None
    found, magic = struct.unpack_from("!4xI228xI", payload)
    if found != transaction or magic != DHCP_MAGIC:
        return None
    options: dict[int, bytes] = {}
    offset = 240
    while offset + 1 < len(payload) and payload[offset] != DHCP_END:
        if payload[offset] == 0:
            offset += 1
            continue
        code, length = payload[offset], payload[offset + 1]
        # Of one that comes twice, the parts belong together (RFC 3396).
        options[code] = options.get(code, b"") + payload[offset + 2 : offset + 2 + length]
        offset += 2 + length
    if len(options.get(DHCP_KIND, b"")) != 1:
        return None
    return options[DHCP_KIND][0], socket.inet_ntoa(payload[16:20]), options


def dhcp_lease(address: str, options: dict[int, bytes]) -> Request:
    """Return what an acknowledgement gives, as `lease` replies."""

    def addresses(code: int) -> list[str]:
        data = options.get(code, b"")
        return [socket.inet_ntoa(data[at : at + 4]) for at in range(0, len(data) // 4 * 4, 4)]

    mask = int.from_bytes(options.get(DHCP_MASK, b"\xff\xff\xff\0")[:4], "big")
    seconds = int.from_bytes(options.get(DHCP_LEASE, b""), "big") or 3600
    return {
        "address": f"{address}/{mask.bit_count()}",
        "router": next(iter(addresses(DHCP_ROUTER)), None),
        "nameservers": addresses(DHCP_DNS),
        "domain": options.get(DHCP_DOMAIN, b"").rstrip(b"\0").decode("ascii", "replace") or None,
        "server": next(iter(addresses(DHCP_SERVER)), None),
        "lease_s": min(float(seconds), DHCP_LONGEST_S),
    }


def arp_request(mac: bytes, source: str, target: str) -> bytes:
    """Build an ARP request.

    It is a probe where ``source`` is 0.0.0.0, and an announcement where it is the target
    (RFC 5227, sections 1.1 and 2.3).

    """
    return _ARP.pack(
        1,  # Ethernet
        0x0800,
        6,
        4,
        ARP_REQUEST,
        mac,
        socket.inet_aton(source),
        bytes(6),
        socket.inet_aton(target),
    )


def arp_claim(packet: bytes, mac: bytes, address: str) -> bytes | None:
    """Return the MAC address of another that has an address, or probes for it too; or None."""
    # RFC 5227, section 2.1.1
    if len(packet) < _ARP.size:
        return None
    *_, kind, sender, source, _, target = _ARP.unpack_from(packet)
    wanted = socket.inet_aton(address)
    probes = kind == ARP_REQUEST and source == bytes(4) and target == wanted
    if sender == mac or not (source == wanted or probes):
        return None
    return bytes(sender)


def dhcp_times(lease_s: float) -> tuple[float, float]:
    """Return when a client renews, and when it asks any server (RFC 2131, 4.4.5: T1, T2)."""
    return lease_s / 2, lease_s * 0.875


def dhcp_again(now_s: float, lease_s: float) -> float:
    """Return when a client that got no answer asks again, in seconds of its lease.

    After half of what is left to T2, then to the end, a minute at least (RFC 2131, 4.4.5);
    of a lease of minutes a twelfth of it, or nothing would ever be asked twice.

    """
    _, rebinding_s = dhcp_times(lease_s)
    end_s = rebinding_s if now_s < rebinding_s else lease_s
    return min(end_s, now_s + max((end_s - now_s) / 2, min(60.0, lease_s / 12)))
