"""Frames of one packet, found again wherever they were seen."""

from __future__ import annotations

import dataclasses
import struct

import dpkt
import pytest

from playground.operations.diagnosis.evidence.packet_trace import (
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Marks,
    Neighbourly,
    Packet,
    Sighting,
    Trail,
    first_sequence,
    make_packet,
    read_frame,
    read_packet,
)

FLOW = ("10.0.1.2", 40000, "10.0.4.2", 80)
ETHERNET = bytes.fromhex("0211111111110222222222220800")


def sighting(place: str, way: str, packet: Packet | Neighbourly, at_s: float = 0.0) -> Sighting:
    return Sighting(place, "eth0", way, at_s, "02:00", "02:01", packet)


@pytest.mark.parametrize("protocol", [TCP, UDP, ICMP])
def test_packets_that_are_made_are_as_dpkt_reads_them(protocol: int) -> None:
    data = make_packet(protocol, FLOW, 1400, sequence=7, payload=b"token")
    read = dpkt.ip.IP(data)
    assert len(data) == read.len == 1400
    assert read.p == protocol and read.df
    segment = read.data
    before = segment.sum
    segment.sum = 0
    read.sum = 0
    assert dpkt.ip.IP(bytes(read)).data.sum == before  # dpkt fills in what is 0
    found = read_packet(data)
    assert found is not None and found.size_bytes == 1400
    assert protocol == ICMP or found.flow == FLOW


@pytest.mark.parametrize("size", range(29))
def test_what_is_cut_off_anywhere_is_read_as_far_as_it_goes(size: int) -> None:
    echo = make_packet(ICMP, FLOW, 60)
    wrong = b"\x03\x04\0\0\0\0\x05\xdc"  # fragmentation needed, next MTU 1500
    data = (echo[:20] + wrong + echo)[:size]
    found = read_packet(data)
    if size < 20:
        assert found is None
    else:
        assert found is not None and found.protocol == ICMP
        assert found.next_mtu_bytes == (1500 if size == 28 else None)


def test_ipv6_packets_are_made_and_read() -> None:
    flow = ("2001:db8::1", 40000, "2001:db8::2", 80)
    data = make_packet(TCP, flow, 1280, sequence=7)
    found = read_packet(data)
    assert found is not None
    assert (found.version, found.flow, found.size_bytes, found.sequence) == (6, flow, 1280, 7)
    read = dpkt.ip6.IP6(data)
    assert read.data.sport == 40000 and read.plen == 1240


def test_a_syn_says_how_large_segments_may_be() -> None:
    segment = dpkt.tcp.TCP(sport=1, dport=2, seq=9, flags=2, opts=b"\x01\x01\x02\x04\x05\xb4\x00")
    segment.opts = segment.opts.ljust(8, b"\0")
    segment.off = 7
    packet = dpkt.ip.IP(src=b"\x0a\0\0\1", dst=b"\x0a\0\0\2", p=6, data=segment)
    packet.len = len(packet)
    found = read_packet(bytes(packet))
    assert found is not None and found.mss_bytes == 1460


def test_an_error_quotes_eight_bytes_of_what_it_is_about() -> None:
    quoted = make_packet(TCP, FLOW, 1400, sequence=99)[:28]
    quoted = quoted[:2] + struct.pack(">H", 1400) + quoted[4:]
    icmp = struct.pack(">BBHHH", 3, 4, 0, 0, 1300) + quoted
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), 0, 0, 64, 1, 0, b"\x0a\0\2\2", b"")
    found = read_packet(head + icmp)
    assert found is not None and found.is_too_big and found.next_mtu_bytes == 1300
    assert found.quoted is not None
    assert (found.quoted.flow, found.quoted.sequence) == (FLOW, 99)


@pytest.mark.parametrize("data", [b"", b"\x45", bytes(60), ETHERNET, ETHERNET + b"\x45\x00"])
def test_what_is_no_packet_is_none(data: bytes) -> None:
    assert read_frame("h1", "eth0", 0, 0.0, data) is None


def test_frames_with_a_vlans_tag_and_arp_are_read() -> None:
    tagged = ETHERNET[:12] + b"\x81\x00\x00\x0a\x08\x00" + make_packet(TCP, FLOW, 60)
    found = read_frame("h1", "eth0", 4, 1.5, tagged[:14] + tagged[14:])
    assert found is not None and isinstance(found.what, Packet)
    assert (found.way, found.mac_destination) == ("out", "02:11:11:11:11:11")
    arp = dpkt.arp.ARP(spa=b"\x0a\0\0\1", tpa=b"\x0a\0\0\2", op=1)
    asked = read_frame("h1", "eth0", 1, 0.0, ETHERNET[:12] + b"\x08\x06" + bytes(arp))
    assert asked is not None and asked.what == Neighbourly("10.0.0.2", True, "10.0.0.1")
    passing = read_frame("h1", "eth0", 3, 0.0, ETHERNET + make_packet(TCP, FLOW, 60))
    assert passing is not None and passing.way == "passing"


def test_neighbour_discovery_is_read_as_arp_is() -> None:
    body = struct.pack(">BBHI", 135, 0, 0, 0) + bytes.fromhex("20010db8" + "0" * 23 + "2")
    head = struct.pack(">IHBB", 6 << 28, len(body), ICMPV6, 255) + bytes(15) + b"\1" + bytes(16)
    found = read_frame("h1", "eth0", 4, 0.0, ETHERNET[:12] + b"\x86\xdd" + head + body)
    assert found is not None and found.what == Neighbourly("2001:db8::2", True, "::1")


def test_a_translated_packet_is_the_same_and_so_is_its_answer() -> None:
    inside = Packet(TCP, "192.168.1.2", "10.0.4.2", 40000, 80, flags=2, sequence=99)
    outside = Packet(TCP, "10.0.5.2", "10.0.4.2", 61000, 80, flags=2, sequence=99)
    answer = Packet(TCP, "10.0.4.2", "10.0.5.2", 80, 61000, flags=0x12, acknowledged=100)
    other = Packet(TCP, "192.168.1.2", "10.0.4.2", 40001, 80, flags=2, sequence=5)
    error = Packet(ICMP, "10.0.5.1", "10.0.5.2", kind=3, code=1, quoted=outside)
    seen = [
        sighting(*one)
        for one in [
            ("h1", "out", inside, 1.0),
            ("h1", "out", other, 0.5),
            ("modem", "out", outside, 2.0),
            ("www", "out", answer, 3.0),
            ("core", "out", error, 4.0),
        ]
    ]
    assert first_sequence(seen, "h1", 40000) == 99
    trail = Trail(seen, Marks(TCP, 99))
    assert [one.place for one in trail.probe] == ["h1", "modem"]
    assert [one.place for one in trail.answer] == ["www"]
    assert [one.place for one in trail.errors] == ["core"]


def test_a_payload_is_known_by_its_beginning() -> None:
    marks = Marks(ICMP, None, b"twenty-four bytes of it.")
    packet = Packet(ICMP, "10.0.1.2", "10.0.4.2", kind=8, payload=marks.payload)
    for payload, is_it in ((packet.payload[:12], True), (b"", False), (b"other", False)):
        assert marks.is_probe(dataclasses.replace(packet, payload=payload)) is is_it
    reply = dataclasses.replace(packet, kind=0, payload=packet.payload[:12])
    assert Trail([], marks).is_answer(reply) and not marks.is_probe(reply)


def test_a_datagrams_answer_is_known_by_who_sends_it_to_whom() -> None:
    sent = Packet(UDP, "10.0.1.2", "10.0.4.2", 40000, 7, payload=b"token")
    answer = Packet(UDP, "10.0.4.2", "10.0.1.2", 7, 40000, payload=b"other")
    stranger = Packet(UDP, "10.0.4.2", "10.0.1.2", 8, 40000, payload=b"other")
    marks = Marks(UDP, None, b"token")
    trail = Trail([sighting("w", "out", p) for p in (sent, answer, stranger)], marks)
    assert [one.what for one in trail.answer] == [answer]
    assert trail.role(sent) == "probe" and trail.role(stranger) is None


def test_a_packet_behind_labels_has_the_hops_of_the_first() -> None:
    stack = bytes.fromhex("0001403f") + bytes.fromhex("00015140")  # 20, and 21 as the last
    frame = ETHERNET[:12] + b"\x88\x47" + stack + make_packet(TCP, FLOW, 60)
    found = read_frame("r1", "eth0", 4, 0.0, frame)
    assert found is not None and isinstance(found.what, Packet)
    assert (found.what.labels, found.what.ttl) == ((20, 21), 63)
    assert found.what.flow == FLOW
    for length in (14, 16, 20):  # cut off before its end
        assert read_frame("r1", "eth0", 4, 0.0, frame[:length]) is None
