"""Captured packets: read, chosen, shown, saved."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from playground.errors import PlaygroundError
from playground.operations.captures.frames import RAW_IP, CapturePoint, Frame
from playground.operations.captures.packets import Packets
from tests.made import DIRECTORY, PLACES, captured, handshake, tcp


def test_a_table_has_the_columns_of_wireshark() -> None:
    packets = captured(handshake())
    assert str(packets.table()).splitlines()[:2] == [
        "number    time_s  where    direction  source        destination   protocol  "
        "length_bytes  info",
        "     1  0.000000  h1/eth0  out        192.168.1.11  203.0.113.2   TCP       "
        "          58  40000 → 80 [SYN] Seq=0 Win=500 Len=0 MSS=1460",
    ]
    assert packets.rows[1]["source"] == "203.0.113.2"
    assert packets.rows[1]["time_s"] == pytest.approx(0.001)
    shown = Packets(PLACES[:1], packets.frames, dropped=[7])._repr_html_()
    assert "3 packets at h1/eth0, 7 more were lost<" in shown


def test_it_is_a_sequence_in_the_order_of_time() -> None:
    packets = captured(handshake())
    late = Packets(PLACES, reversed(packets.frames), DIRECTORY, [0, 3, 0, 0])
    assert [packet.frame for packet in late] == [packet.frame for packet in packets]
    assert late[-1].flags == "ACK"
    part = late[1:]
    assert isinstance(part, Packets)
    assert [packet.number for packet in part] == [2, 3]
    assert repr(late) == (
        "<Packets: 3 packets at h1/eth0, modem/eth0, modem/eth1, www.example.com/eth0, "
        "3 more were lost>"
    )
    assert late.dropped == {"modem/eth0": 3}


def test_some_can_be_chosen_and_keep_what_is_known_of_them() -> None:
    packets = captured([*handshake(), tcp("PA", 1001, 5001, b"GET / HTTP/1.1\r\n\r\n")])
    (http,) = packets.only("http")
    assert (http.number, http.seq) == (4, 1)
    assert len(packets.only("tcp")) == 4
    assert [packet.number for packet in packets.only(lambda packet: "SYN" in packet.flags)] == [
        1,
        2,
    ]
    assert repr(packets.only("UDP")) == "<Packets: 0 packets at h1/eth0>"
    assert str(packets.only("UDP").table()) == "(no rows)"


def test_scapy_has_the_same_packets() -> None:
    pytest.importorskip("scapy")
    found = captured(handshake()).scapy()
    assert [packet["TCP"].flags for packet in found] == ["S", "SA", "A"]
    assert found[0].sniffed_on == "h1/eth0"
    assert found[1].time - found[0].time == pytest.approx(0.001)


def test_scapy_reads_both_versions_of_bare_ip() -> None:
    pytest.importorskip("scapy")
    segment = handshake()[0][14:]
    six = b"\x60" + bytes(3) + b"\0\4\x3b\x40" + bytes(31) + b"\1" + b"data"
    frames = [Frame(number, 0, True, len(data), data) for number, data in enumerate([segment, six])]
    found = Packets([CapturePoint("h1", "tun0", link_type=RAW_IP)], frames).scapy()
    assert [packet.name for packet in found] == ["IP", "IPv6"]


def test_wireshark_gets_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packets = captured(handshake())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlaygroundError, match="Wireshark is not installed here"):
        packets.wireshark()
    fake = tmp_path / "wireshark"
    fake.write_text(f"#!/bin/sh\necho $@ >{tmp_path}/options; exec /bin/cat >{tmp_path}/got\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    with packets.wireshark() as process:
        assert process.wait(10) == 0
    assert (tmp_path / "options").read_text() == "-k -i -\n"
    whole = packets.save(tmp_path / "x.pcapng").read_bytes()
    assert whole.startswith((tmp_path / "got").read_bytes())
    assert time.time() > packets[0].time.timestamp() > 0
