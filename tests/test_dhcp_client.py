"""The agent's DHCP client: its messages.  What it does is in tests/lab/test_plug.py."""

from __future__ import annotations

import socket
import struct

from hypothesis import given
from hypothesis import strategies as st

from playground.agent.network.dhcp_messages import (
    DHCP_ACK,
    DHCP_KIND,
    DHCP_MAGIC,
    DHCP_REQUEST,
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

MAC = bytes.fromhex("020000000001")


def answer(transaction: int, options: bytes) -> bytes:
    """An acknowledgement of 10.1.1.7 as a server sends it."""
    head = struct.pack("!BBBBI", 2, 1, 6, 0, transaction) + bytes(8) + socket.inet_aton("10.1.1.7")
    payload = head.ljust(236, b"\0") + struct.pack("!I", DHCP_MAGIC) + options + b"\xff"
    udp = struct.pack("!HHHH", 67, 68, 8 + len(payload), 0) + payload
    return struct.pack("!BBHHHBBH8x", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + udp


def test_the_checksum_is_that_of_the_rfc() -> None:
    # RFC 1071, section 3: the sum of these is ddf2.
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2


def test_a_message_is_a_datagram_that_verifies() -> None:
    message = dhcp_message(DHCP_REQUEST, 0x01020304, MAC, options=[(50, b"\x0a\x01\x01\x07")])
    packet = broadcast_datagram(message, "0.0.0.0")
    assert internet_checksum(packet[:20]) == 0
    pseudo = packet[12:20] + struct.pack("!BBH", 0, 17, len(packet) - 20)
    assert internet_checksum(pseudo + packet[20:]) == 0
    assert packet[20:24] == struct.pack("!HH", 68, 67)
    # RFC 1542, section 2.1: 300 bytes at least.
    assert len(message) >= 300
    assert message[4:8] == b"\1\2\3\4"
    assert message[28:34] == MAC
    assert message[240:243] == bytes([DHCP_KIND, 1, DHCP_REQUEST])


def test_a_lease_is_read_from_an_answer() -> None:
    options = bytes([53, 1, DHCP_ACK, 1, 4, 255, 255, 0, 0, 51, 4, 0, 0, 0, 60])
    options += bytes([3, 8, 10, 1, 0, 1, 10, 1, 0, 2, 0, 6, 4, 10, 1, 0, 3, 15, 3]) + b"lab"
    options += bytes([54, 4, 10, 1, 0, 1])
    found = read_dhcp(answer(7, options), 7)
    assert found is not None
    assert found[0] == DHCP_ACK
    assert dhcp_lease(*found[1:]) == {
        "address": "10.1.1.7/16",
        "router": "10.1.0.1",
        "nameservers": ["10.1.0.3"],
        "domain": "lab",
        "server": "10.1.0.1",
        "lease_s": 60.0,
    }
    assert read_dhcp(answer(8, options), 7) is None


@given(st.binary(max_size=40), st.integers(0, 300))
def test_no_answer_of_a_server_breaks_the_client(noise: bytes, cut: int) -> None:
    packet = answer(7, noise)
    for data in (packet, packet[:cut], noise):
        found = read_dhcp(data, 7)
        if found is not None:
            dhcp_lease(*found[1:])


def test_who_has_an_address_or_wants_it_claims_it() -> None:
    other, address = bytes.fromhex("020000000002"), "10.1.1.7"
    for source, target, claim in (
        (address, address, other),  # an announcement
        ("0.0.0.0", address, other),  # a probe
        (address, "10.1.1.1", other),
        ("10.1.1.1", address, None),  # a question of a third
    ):
        assert arp_claim(arp_request(other, source, target), MAC, address) == claim
    assert arp_claim(arp_request(MAC, address, address), MAC, address) is None
    assert arp_claim(b"short", MAC, address) is None


def test_a_lease_is_asked_for_again_when_the_rfc_says() -> None:
    # RFC 2131, 4.4.5: T1 and T2; then after half of what is left, a minute at least.
    assert dhcp_times(3600) == (1800, 3150)
    assert dhcp_again(1800, 3600) == 1800 + (3150 - 1800) / 2
    assert dhcp_again(3100, 3600) == 3150
    assert dhcp_again(3150, 3600) == 3150 + 225
    assert dhcp_again(3580, 3600) == 3600
    assert dhcp_again(60, 120) == 82.5
