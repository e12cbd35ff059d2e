"""Packets as rows: each once, those that pass the filter, and no end of them."""

from __future__ import annotations

import json

import pytest

from playground.frontends.web.content import packet_rows
from playground.frontends.web.content.packet_filter import PacketFilter
from playground.frontends.web.content.packet_rows import ShownRows, chosen, grid_options, row
from playground.operations.captures.dissect import CapturedPacket
from playground.operations.captures.frames import CapturePoint, Frame


def packet(number: int, protocol: str = "ICMP", info: str = "") -> CapturedPacket:
    return CapturedPacket(
        number=number,
        time_s=number / 10,
        where="h1/eth0",
        direction="out",
        source="10.0.0.1",
        destination="10.0.0.2",
        protocol=protocol,
        length_bytes=98,
        info=info,
        frame=Frame(number, 0, True, 98, b""),
        place=CapturePoint("h1", "eth0"),
    )


def test_a_row_is_text_and_tells_what_is_wrong_with_a_packet() -> None:
    one = packet(3, info="<img onerror=x>\x1b[2J")
    one.mark = "retransmission"
    shown = row(one)
    assert shown["info"] == "[retransmission] <img onerror=x>\\x1b[2J"
    assert (shown["number"], shown["time_s"]) == (3, "0.300000")
    assert set(shown) == {column["field"] for column in grid_options()["columnDefs"]}
    json.dumps(grid_options())


def test_what_a_packet_says_is_seen_beside_the_picture() -> None:
    columns = grid_options()["columnDefs"]
    assert [column["field"] for column in columns][-2:] == ["info", "length_bytes"]
    assert sum(column.get("minWidth") or column["width"] for column in columns[:-1]) <= 486


def test_each_packet_is_shown_once_as_they_come() -> None:
    shown = ShownRows(PacketFilter(""))
    first, _ = shown.next([packet(1), packet(2)])
    second, gone = shown.next([packet(3)])
    assert [one["number"] for one in (*first, *second)] == [1, 2, 3]
    assert (gone, shown.seen, len(shown)) == ([], 3, 3)


def test_of_a_filter_only_what_passes() -> None:
    shown = ShownRows(PacketFilter("arp"))
    came, _ = shown.next([packet(1), packet(2, "ARP")])
    assert [one["number"] for one in came] == [2]
    assert (shown.seen, len(shown)) == (2, 1)


def test_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packet_rows, "MOST_SHOWN", 3)
    shown = ShownRows(PacketFilter(""))
    shown.next([packet(n) for n in (1, 2)])
    came, gone = shown.next([packet(n) for n in (3, 4, 5, 6, 7)])
    assert [one["number"] for one in came] == [5, 6, 7]
    assert gone == [1, 2]
    assert len(shown) == 3


def test_a_ladder_has_the_last_packets_that_pass() -> None:
    packets = [packet(n, "ARP" if n % 2 else "ICMP") for n in range(400)]
    drawn = chosen(packets, PacketFilter("arp"))
    assert len(drawn) == packet_rows.MOST_RUNGS
    assert drawn[-1].number == 399
