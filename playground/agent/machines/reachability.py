"""Reachability of the other machines: echoes of two sizes over the network of the servers.

A small packet tells whether a machine is reached at all and how long that takes, a packet as large
as the network's MTU, which may not be sent in fragments, whether what lies below takes packets
of the size that it claims.

"""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

from playground.agent.kernel.ipsec import has_ipsec
from playground.agent.network.dhcp_messages import internet_checksum

_ROUNDS = 3
_ROUND_S = 1.0
_SMALL_BYTES = 84  # an IP packet of ping(8)

# RFC 792: type, code, checksum, identifier, sequence number; an IPv4 header without options.
_ECHO = struct.Struct(">BBHHH")
_REQUEST, _REPLY = 8, 0
_HEADER_BYTES = 20

# linux/in.h: DF is set, and what is known of the path's MTU passed over.  ip(7)
_IP_MTU_DISCOVER, _IP_PMTUDISC_PROBE = 10, 3
# linux/sockios.h
_SIOCGIFADDR, _SIOCGIFMTU = 0x8915, 0x8921


def mtu_to(address: str) -> int:
    """Return the MTU of the interface by which packets to an address leave."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))
        own = probe.getsockname()[0]
        for _, name in socket.if_nameindex():
            if _address_of(probe, name) == own:
                answer = fcntl.ioctl(probe, _SIOCGIFMTU, struct.pack("16sI12x", name.encode(), 0))
                return int(struct.unpack_from("I", answer, 16)[0])
    return 0


def _address_of(probe: socket.socket, name: str) -> str:
    try:
        answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("16s24x", name.encode()))
    except OSError:
        return ""
    return socket.inet_ntoa(answer[20:24])


def reach(peers: Sequence[str], mtu_bytes: int) -> dict[str, dict[str, float | None]]:
    """Return of each address the time of the fastest echo, "small_ms" and "full_ms".

    None stands for one that never came, of three that were sent a second apart.

    """
    found: dict[str, dict[str, float | None]] = {}
    for name, size in (("small_ms", _SMALL_BYTES), ("full_ms", mtu_bytes)):
        times = _echoes(peers, size)
        for peer in peers:
            found.setdefault(peer, {})[name] = times.get(peer)
    return found


def _echoes(peers: Sequence[str], size_bytes: int) -> dict[str, float]:
    """Return the fastest time in milliseconds of each peer that answers."""
    best: dict[str, float] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as line:
        line.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_PROBE)
        identifier = id(line) & 0xFFFF
        for number in range(_ROUNDS):
            sent: dict[str, float] = {}
            for peer in peers:
                message = echo_request(identifier, number, size_bytes - _HEADER_BYTES)
                sent[peer] = time.monotonic()
                try:
                    line.sendto(message, (peer, 0))
                except OSError:  # no way there
                    del sent[peer]
            _collect(line, identifier, number, sent, best)
            if not set(peers) - set(best):
                break
    return best


def _collect(
    line: socket.socket,
    identifier: int,
    number: int,
    sent: dict[str, float],
    best: dict[str, float],
) -> None:
    deadline = time.monotonic() + _ROUND_S
    while sent and (left := deadline - time.monotonic()) > 0:
        if not select.select([line], [], [], left)[0]:
            return
        packet, (peer, _) = line.recvfrom(1 << 16)
        now = time.monotonic()
        if peer in sent and is_reply(packet, identifier, number):
            taken_ms = (now - sent.pop(peer)) * 1000
            best[peer] = min(taken_ms, best.get(peer, taken_ms))


def echo_request(identifier: int, number: int, size_bytes: int) -> bytes:
    """Return an ICMP message of this size.

    >>> echo_request(1, 2, 8).hex()
    '0800f7fc00010002'

    """
    rest = bytes(size_bytes - _ECHO.size)
    summed = internet_checksum(_ECHO.pack(_REQUEST, 0, 0, identifier, number) + rest)
    return _ECHO.pack(_REQUEST, 0, summed, identifier, number) + rest


def is_reply(packet: bytes, identifier: int, number: int) -> bool:
    """Whether an IP packet is the reply to that request."""
    start = (packet[0] & 0xF) * 4
    if len(packet) < start + _ECHO.size:
        return False
    kind, _, _, its_identifier, its_number = _ECHO.unpack_from(packet, start)
    return (kind, its_identifier, its_number) == (_REPLY, identifier, number)


def examined(peers: Sequence[str]) -> dict[str, Any]:
    """Return what a machine sees of the network and of its kernel, with a clock to compare."""
    mtu_bytes = mtu_to(peers[0]) if peers else 0
    return {
        "mtu_bytes": mtu_bytes,
        "ipsec": has_ipsec(),
        "clock_s": time.time(),
        "reached": reach(peers, mtu_bytes),
    }
