"""Bytes of packets, in rows of sixteen and as the fields of layers."""

from __future__ import annotations

import dpkt

from playground.frontends.web.content.packet_bytes import MOST_BYTES, hex_dump, layers


def test_rows_show_offset_numbers_and_characters() -> None:
    assert hex_dump(bytes(range(0x38, 0x4A))).splitlines() == [
        "0000  38 39 3a 3b 3c 3d 3e 3f  40 41 42 43 44 45 46 47  89:;<=>?@ABCDEFG",
        "0010  48 49                                             HI",
    ]


def test_nothing_is_nothing() -> None:
    assert hex_dump(b"") == ""
    assert layers(None) == []


def test_what_is_too_long_says_so() -> None:
    shown = hex_dump(b"\x1b" * (MOST_BYTES + 5))
    assert shown.endswith("... 5 more bytes: download the capture")
    assert "\x1b" not in shown


def test_layers_are_named_with_their_fields() -> None:
    tcp = dpkt.tcp.TCP(sport=40000, dport=80, data=b"GET")
    frame = dpkt.ethernet.Ethernet(data=dpkt.ip.IP(p=6, ttl=64, data=tcp))
    tree = layers(frame)
    assert [node["label"] for node in tree] == ["Ethernet", "IP", "TCP", "3 bytes of data"]
    fields = [field["label"] for node in tree[:3] for field in node["children"]]
    assert "ttl: 64 (0x40)" in fields
    assert "dport: 80 (0x50)" in fields
    assert "v: 4" in fields
    ids = [field["id"] for node in tree[:3] for field in node["children"]]
    assert len(set(ids)) == len(ids)


def test_a_packet_in_packets_in_packets_is_not_followed_for_ever() -> None:
    packet = dpkt.ip.IP(data=b"x")
    for _ in range(50):
        packet = dpkt.ip.IP(p=4, data=packet)
    assert len(layers(packet)) == 12
