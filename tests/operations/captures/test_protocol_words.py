"""Messages of protocols in Wireshark's words."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.operations.captures.protocol_words import (
    bfd,
    gre,
    igmp,
    ntp,
    pim,
    radius,
    snmp,
    vrrp,
    vxlan,
)


def ber(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes([tag, len(body)]) + body


NUMBER = ber(2, b"\x01")
NAME = ber(0x30, ber(6, bytes.fromhex("2b06010201010500")), ber(5))
GET = ber(0x30, NUMBER, ber(4, b"public"), ber(0xA0, NUMBER, NUMBER, NUMBER, ber(0x30, NAME)))


@pytest.mark.parametrize(
    ("read", "data", "told"),
    [
        (igmp, "1100ee9b00000000", ("IGMPv1", "Membership Query, general")),
        (
            igmp,
            "1164ee9bef010203027d0000",
            ("IGMPv3", "Membership Query, specific for group 239.1.2.3"),
        ),
        (igmp, "1700f8f9ef010203", ("IGMPv2", "Leave Group 239.1.2.3")),
        (
            igmp,
            "2200ea03000000010400 0000ef010203",
            ("IGMPv3", "Membership Report / Join group 239.1.2.3 for any sources"),
        ),
        (
            igmp,
            "2200ea03000000020300 0000ef010203 05000001e80102030a000001",
            (
                "IGMPv3",
                "Membership Report / Leave group 239.1.2.3 / "
                "Join group 232.1.2.3 for source {10.0.0.1}",
            ),
        ),
        (pim, "2000dfff", ("PIMv2", "Hello")),
        (
            pim,
            "23000000 01000a000001 0001 00d2 01000020ef010203 0001 0000 010007200a000009",
            ("PIMv2", "Join/Prune to 10.0.0.1, join (*, 239.1.2.3)"),
        ),
        (
            pim,
            "21000000 40000000 450000140000000000670000 0a000102 ef010203",
            ("PIMv2", "Register (10.0.1.2, 239.1.2.3), empty"),
        ),
        (
            vrrp,
            "21016401 00640000 0a000001",
            "Announcement (v2), VRID 1, priority 100, 10.0.0.1",
        ),
        (
            vrrp,
            "31070001 00640000 0a000001",
            "Announcement (v3), VRID 7, priority 0 (stopped), 10.0.0.1",
        ),
        (
            bfd,
            "20c00318 00000001 00000002 000f4240 000f4240 00000000",
            "Diag: No Diagnostic, State: Up, my 0x00000001, your 0x00000002",
        ),
        (
            bfd,
            "21600318 00000001 00000000 000f4240 000f4240 00000000",
            "Diag: Control Detection Time Expired, State: Down, Poll, my 0x00000001, "
            "your 0x00000000",
        ),
        (radius, "0105001b" + "00" * 16 + "0107616c696365", "Access-Request id=5, User-Name alice"),
        (radius, "03050016" + "00" * 16 + "1204" + "6e6f", "Access-Reject id=5, 'no'"),
        (ntp, "23" + "00" * 47, "NTP Version 4, client"),
        (ntp, "2402" + "00" * 46, "NTP Version 4, server, stratum 2"),
        (
            ntp,
            "2400" + "00" * 10 + "52415445" + "00" * 32,
            "NTP Version 4, server, kiss-o'-death RATE",
        ),
        (snmp, GET.hex(), "get-request 1.3.6.1.2.1.1.5.0"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_message_is_told(read: Callable[[bytes], object], data: str, told: object) -> None:
    assert read(bytes.fromhex(data)) == told


def test_the_headers_of_tunnels_are_read() -> None:
    assert vxlan(struct.pack("!II", 8 << 24, 5010 << 8) + b"x") == ("VNI 5010", "frame", b"x")
    assert gre(struct.pack("!HH", 0, 0x86DD) + b"x") == ("", "ip", b"x")
    header = struct.pack("!HHIII", 0xB000, 0x6558, 0, 7, 3)
    assert gre(header + b"x") == ("key 7, seq 3", "frame", b"x")
    assert gre(struct.pack("!HH", 0, 0x8847)).inside == "MPLS"


@given(st.sampled_from([bfd, gre, igmp, ntp, pim, radius, snmp, vrrp, vxlan]), st.binary())
def test_what_is_no_such_message_is_refused_by_an_error_that_is_known(
    read: Callable[[bytes], object], data: bytes
) -> None:
    with contextlib.suppress(ValueError, IndexError, struct.error):
        assert read(data)
