"""Messages of a DHCP client, beside another library's reading of them."""

from __future__ import annotations

import socket
import struct
from typing import Any

import dpkt
import pytest

from playground.agent.network.dhcp_messages import (
    DHCP_ACK,
    DHCP_DISCOVER,
    DHCP_DNS,
    DHCP_DOMAIN,
    DHCP_KIND,
    DHCP_LEASE,
    DHCP_LONGEST_S,
    DHCP_MASK,
    DHCP_REQUEST,
    DHCP_REQUESTED,
    DHCP_ROUTER,
    DHCP_SERVER,
    arp_claim,
    arp_request,
    broadcast_datagram,
    dhcp_again,
    dhcp_lease,
    dhcp_message,
    dhcp_times,
    internet_checksum,
    read_dhcp,
)
from tests.dhcp_server import answer

MAC = bytes.fromhex("020000000001")
OTHER = bytes.fromhex("020000000002")


@pytest.mark.parametrize(
    ("kind", "address", "broadcast", "flags"),
    [
        (DHCP_DISCOVER, "0.0.0.0", True, 0x8000),
        (DHCP_REQUEST, "192.168.1.9", False, 0),
    ],
)
def test_what_a_client_says(kind: int, address: str, broadcast: bool, flags: int) -> None:
    wanted = [(DHCP_REQUESTED, socket.inet_aton("192.168.1.9"))]
    message = dhcp_message(kind, 0x1234, MAC, address, wanted, broadcast)
    read = dpkt.dhcp.DHCP(message)
    assert (read.op, read.xid, read.chaddr[:6], read.flags) == (1, 0x1234, MAC, flags)
    assert read.ciaddr == int.from_bytes(socket.inet_aton(address), "big")
    options = dict(read.opts)
    assert options[DHCP_KIND] == bytes([kind])
    assert options[DHCP_REQUESTED] == bytes([192, 168, 1, 9])
    assert len(message) >= 300  # RFC 1542, 2.1


def test_a_datagram_to_everybody_has_right_checksums() -> None:
    payload = b"odd"
    packet = dpkt.ip.IP(broadcast_datagram(payload, "10.0.0.7"))
    assert (socket.inet_ntoa(packet.src), socket.inet_ntoa(packet.dst)) == (
        "10.0.0.7",
        "255.255.255.255",
    )
    assert (packet.data.sport, packet.data.dport, packet.data.data) == (68, 67, payload)
    sums = packet.sum, packet.data.sum
    packet.sum = packet.data.sum = 0
    again = dpkt.ip.IP(bytes(packet))
    assert (again.sum, again.data.sum) == sums


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # The example of RFC 1071, section 3.
        (bytes.fromhex("0001f203f4f5f6f7"), 0xFFFF - 0xDDF2),
        (b"", 0xFFFF),
        (b"\xff", 0x00FF),
    ],
)
def test_the_internet_checksum(data: bytes, expected: int) -> None:
    assert internet_checksum(data) == expected


def test_an_answer_is_read() -> None:
    packet = answer(DHCP_ACK, 77, "10.0.0.9", [(DHCP_MASK, b"\xff\xff\xff\x80")])
    assert read_dhcp(packet, 77) == (
        DHCP_ACK,
        "10.0.0.9",
        {DHCP_KIND: bytes([DHCP_ACK]), DHCP_MASK: b"\xff\xff\xff\x80"},
    )


def test_an_option_that_comes_in_parts_is_one() -> None:
    packet = answer(DHCP_ACK, 77, "10.0.0.9", [(DHCP_DOMAIN, b"exam"), (DHCP_DOMAIN, b"ple.com")])
    read = read_dhcp(packet, 77)
    assert read is not None
    assert read[2][DHCP_DOMAIN] == b"example.com"


ANSWER = answer(DHCP_ACK, 77, "10.0.0.9", [])


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        ANSWER[:200],
        b"\x60" + ANSWER[1:],  # IPv6
        ANSWER[:9] + bytes([socket.IPPROTO_TCP]) + ANSWER[10:],
        ANSWER[:20] + struct.pack("!HH", 68, 67) + ANSWER[24:],  # a client's own
        ANSWER[:28] + b"\x01" + ANSWER[29:],  # a request
        answer(DHCP_ACK, 78, "10.0.0.9", []),  # for another
        ANSWER[: 28 + 236] + bytes(4) + ANSWER[28 + 240 :],  # BOOTP without the magic number
        ANSWER[: 28 + 240] + b"\xff",  # without a kind
    ],
)
def test_what_is_no_answer_to_us(packet: bytes) -> None:
    assert read_dhcp(packet, 77) is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {
                DHCP_MASK: b"\xff\xff\xff\x80",
                DHCP_ROUTER: bytes([10, 0, 0, 1, 10, 0, 0, 2]),
                DHCP_DNS: bytes([10, 0, 0, 3, 10, 0, 0, 4]),
                DHCP_DOMAIN: b"example.com\0",
                DHCP_SERVER: bytes([10, 0, 0, 1]),
                DHCP_LEASE: (7200).to_bytes(4, "big"),
            },
            ("10.0.0.9/25", "10.0.0.1", ["10.0.0.3", "10.0.0.4"], "example.com", "10.0.0.1", 7200),
        ),
        ({}, ("10.0.0.9/24", None, [], None, None, 3600)),
        # A lease that never ends is asked for again all the same; an address cut short is none.
        (
            {DHCP_LEASE: b"\xff\xff\xff\xff", DHCP_DNS: b"\x0a\0\0"},
            ("10.0.0.9/24", None, [], None, None, DHCP_LONGEST_S),
        ),
    ],
)
def test_what_an_acknowledgement_gives(
    options: dict[int, bytes], expected: tuple[Any, ...]
) -> None:
    assert tuple(dhcp_lease("10.0.0.9", options).values()) == expected


def test_a_probe_asks_without_telling_who_asks() -> None:
    read = dpkt.arp.ARP(arp_request(MAC, "0.0.0.0", "10.0.0.9"))
    assert (read.op, read.sha, read.spa, read.tpa) == (1, MAC, bytes(4), bytes([10, 0, 0, 9]))


@pytest.mark.parametrize(
    ("sender", "kind", "source", "target", "claims"),
    [
        (OTHER, 2, "10.0.0.9", "10.0.0.1", True),  # has it
        (OTHER, 1, "10.0.0.9", "10.0.0.1", True),
        (OTHER, 1, "0.0.0.0", "10.0.0.9", True),  # probes for it, too
        (OTHER, 1, "10.0.0.1", "10.0.0.9", False),  # asks who has it
        (OTHER, 2, "10.0.0.1", "10.0.0.9", False),
        (MAC, 1, "0.0.0.0", "10.0.0.9", False),  # our own
    ],
)
def test_who_claims_an_address(
    sender: bytes, kind: int, source: str, target: str, claims: bool
) -> None:
    packet = dpkt.arp.ARP(
        op=kind, sha=sender, spa=socket.inet_aton(source), tpa=socket.inet_aton(target)
    )
    assert arp_claim(bytes(packet), MAC, "10.0.0.9") == (sender if claims else None)
    assert arp_claim(bytes(packet)[:20], MAC, "10.0.0.9") is None


@pytest.mark.parametrize(
    ("now_s", "lease_s", "again_s"),
    [
        (1800, 3600, 2475),  # half of what is left to T2, 3150
        (3100, 3600, 3150),  # a minute at least, but at T2
        (3200, 3600, 3400),  # half of what is left to the end
        (3590, 3600, 3600),
        (60, 120, 82.5),
        (6, 12, 8.25),  # of a short lease no minute
    ],
)
def test_when_an_unanswered_client_asks_again(now_s: float, lease_s: float, again_s: float) -> None:
    assert dhcp_times(lease_s) == (lease_s * 0.5, lease_s * 0.875)
    assert dhcp_again(now_s, lease_s) == again_s
