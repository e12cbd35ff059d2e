"""Captures as files, read back by other libraries."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import dpkt
import pytest

from playground.errors import BadArgument
from playground.operations.captures.frames import RAW_IP, CapturePoint, Frame
from playground.operations.captures.packets import Packets
from tests.made import PLACES, handshake

FRAMES = [
    Frame(1_700_000_000_123_456_789 + number, number, number == 0, len(data) + number, data)
    for number, data in enumerate(handshake())
]


def test_pcapng_keeps_interfaces_directions_and_nanoseconds(tmp_path: Path) -> None:
    path = Packets(PLACES, FRAMES, dropped=[0, 5, 0, 0]).save(tmp_path / "x.pcapng")
    scapy = pytest.importorskip("scapy.utils")
    with scapy.PcapNgReader(str(path)) as reader:
        read = list(reader)
    assert [bytes(packet) for packet in read] == [frame.data for frame in FRAMES]
    assert [packet.sniffed_on for packet in read] == ["h1/eth0", "modem/eth0", "modem/eth1"]
    assert [packet.direction for packet in read] == [2, 1, 1]  # out, in
    assert [packet.wirelen for packet in read] == [frame.length_bytes for frame in FRAMES]
    assert [int(packet.time * 1_000_000_000) for packet in read] == [
        frame.time_ns for frame in FRAMES
    ]


def test_pcapng_says_what_was_lost(tmp_path: Path) -> None:
    data = Packets(PLACES, FRAMES, dropped=[0, 5, 0, 0]).save(tmp_path / "x.pcapng").read_bytes()
    lost, at = {}, 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == 5:  # Interface Statistics Block
            (place,) = struct.unpack_from("<I", data, at + 8)
            lost[place] = struct.unpack_from("<HHQ", data, at + 20)
        at += size
    assert lost == {n: (5, 8, 5 if n == 1 else 0) for n in range(4)}  # isb_ifdrop


def test_pcap_is_read_by_others(tmp_path: Path) -> None:
    path = Packets(PLACES, FRAMES).save(tmp_path / "x.pcap")
    reader = dpkt.pcap.Reader(io.BytesIO(path.read_bytes()))
    assert [data for _, data in reader] == [frame.data for frame in FRAMES]
    assert reader.datalink() == dpkt.pcap.DLT_EN10MB


def test_what_cannot_be_saved_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match=r"saved as \.pcapng or \.pcap"):
        Packets(PLACES, FRAMES).save(tmp_path / "x.txt")
    mixed = Packets([PLACES[0], CapturePoint("h1", "wg0", link_type=RAW_IP)], FRAMES[:1])
    with pytest.raises(BadArgument, match="one type of link only"):
        mixed.save(tmp_path / "x.pcap")
    assert not list(tmp_path.iterdir())
