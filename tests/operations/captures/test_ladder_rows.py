"""Rows of a ladder: from whom to whom, over which machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import dpkt

from playground.operations.captures.frames import CapturePoint, Frame
from playground.operations.captures.ladder_rows import EVERYBODY, Rung, rungs
from playground.operations.captures.packets import Packets
from tests.made import (
    DIRECTORY,
    H1,
    MACS,
    MODEM_IN,
    MODEM_OUT,
    PLACES,
    WWW,
    arp,
    captured,
    ethernet,
    handshake,
    ip,
    tcp,
)

EVERYONE = "ff:ff:ff:ff:ff:ff"
# Numbers of PLACES.
AT_H1, MODEM_INSIDE, MODEM_OUTSIDE, AT_WWW = range(4)


def request(number: int, source: str, to: str, macs: tuple[str, str], ttl: int = 64) -> bytes:
    echo = dpkt.icmp.ICMP(type=8, data=dpkt.icmp.ICMP.Echo(id=7, seq=number, data=b"x"))
    packet = ip(echo, source, to, id=number)
    packet.ttl = ttl
    return ethernet(packet, MACS[macs[0]], MACS[macs[1]])


def inside(number: int) -> bytes:
    return request(number, H1, WWW, (H1, MODEM_IN))


def outside(number: int) -> bytes:
    return request(number, MODEM_OUT, WWW, (MODEM_OUT, WWW), ttl=63)


def seen(*frames: tuple[int, bool, bytes], places: Sequence[CapturePoint] = PLACES) -> list[Rung]:
    """The rungs of frames that were seen (at a place, leaving or not), 1 ms apart."""
    packets = Packets(
        places,
        [
            Frame(number * 1_000_000, place, out, len(data), data)
            for number, (place, out, data) in enumerate(frames)
        ],
        DIRECTORY,
    )
    return rungs(list(packets), places, DIRECTORY, hops=True)


def over_the_modem(number: int) -> list[tuple[int, bool, bytes]]:
    return [
        (AT_H1, True, inside(number)),
        (MODEM_INSIDE, False, inside(number)),
        (MODEM_OUTSIDE, True, outside(number)),
        (AT_WWW, False, outside(number)),
    ]


def test_seen_at_one_place_a_packet_goes_from_end_to_end() -> None:
    drawn = rungs(list(captured(handshake())), PLACES[:1], DIRECTORY, hops=False)
    assert [rung.path for rung in drawn] == [
        ("h1", "www.example.com"),
        ("www.example.com", "h1"),
        ("h1", "www.example.com"),
    ]
    assert (drawn[0].title, drawn[0].detail) == ("SYN", "40000 → 80  Seq=0 Len=0 MSS=1460")


def test_an_arp_request_goes_to_whom_it_asks_for_and_a_multicast_to_all() -> None:
    hello = ethernet(ip(dpkt.udp.UDP(), to="224.0.0.9"), to="01:00:5e:00:00:09")
    packets = captured([arp(1, H1, MODEM_IN, to=EVERYONE), hello])
    asked, told = rungs(list(packets), PLACES[:1], DIRECTORY, hops=False)
    assert (asked.path, asked.title) == (
        ("h1", "modem"),
        "who has 192.168.1.1? tell 192.168.1.11",
    )
    assert (told.path, told.heard) == (("h1",), (EVERYBODY,))


def test_who_is_no_machine_of_the_lab_stands_by_its_address() -> None:
    data = request(1, "8.8.8.8", H1, (MODEM_IN, H1))
    (rung,) = rungs(list(captured([data])), PLACES[:1], DIRECTORY, hops=False)
    assert rung.path == ("8.8.8.8", "h1")


def test_a_packet_that_was_seen_four_times_is_one_and_nat_is_told() -> None:
    (rung,) = seen(*over_the_modem(1))
    assert rung.path == ("h1", "modem", "www.example.com")
    assert rung.changes == (("modem", "source 192.168.1.11 becomes 203.0.113.1"),)
    assert not (rung.lost or rung.stops)
    (short,) = rungs(
        list(
            Packets(
                PLACES,
                [Frame(n, p, o, 1, d) for n, (p, o, d) in enumerate(over_the_modem(1))],
                DIRECTORY,
            )
        ),
        PLACES,
        DIRECTORY,
        hops=False,
    )
    assert short.path == ("h1", "www.example.com")


def test_a_port_is_told_where_nat_changes_it() -> None:
    first = ethernet(ip(dpkt.tcp.TCP(sport=40000, dport=80, flags=2), id=5))
    second = ethernet(
        ip(dpkt.tcp.TCP(sport=1024, dport=80, flags=2), MODEM_OUT, id=5), MACS[MODEM_OUT], MACS[WWW]
    )
    (rung,) = seen(
        (AT_H1, True, first),
        (MODEM_INSIDE, False, first),
        (MODEM_OUTSIDE, True, second),
        (AT_WWW, False, second),
    )
    assert rung.changes == (("modem", "source 192.168.1.11:40000 becomes 203.0.113.1:1024"),)


def test_a_tag_is_told() -> None:
    data = inside(1)
    tagged = data[:12] + b"\x81\x00\x00\x0a" + data[12:]
    (rung,) = rungs(list(captured([tagged])), PLACES[:1], DIRECTORY, hops=False)
    assert rung.detail == "id=0x0007, seq=1, ttl=64, VLAN 10"


def test_what_is_for_a_vlans_interface_is_seen_at_the_one_below_it() -> None:
    upon = replace(DIRECTORY.owners[1], interface="eth0.10", parent="eth0")
    directory = replace(DIRECTORY, owners=(DIRECTORY.owners[0], upon))
    packets = Packets(PLACES[:2], [Frame(0, AT_H1, True, 60, inside(1))], directory)
    (rung,) = rungs(list(packets), PLACES[:2], directory, hops=True)
    assert rung.lost


def test_a_tag_that_a_switch_takes_off_makes_no_other_frame() -> None:
    untagged = inside(1)
    tagged = untagged[:12] + b"\x81\x00\x00\x0a" + untagged[12:]
    (rung,) = seen((AT_H1, True, untagged), (MODEM_INSIDE, False, tagged), places=PLACES[:2])
    assert (rung.path, rung.lost) == (("h1", "modem"), False)


def test_what_nat_has_to_rewrite_is_known_again() -> None:
    said, rewritten = b"PORT 192,168,1,11,9,9\r\n", b"PORT 203,0,113,1,9,9\r\n"
    first = dpkt.tcp.TCP(sport=40000, dport=21, flags=24, seq=10, data=said)
    second = dpkt.tcp.TCP(sport=40000, dport=21, flags=24, seq=10, data=rewritten)
    here = ethernet(ip(first, id=5))
    there = ethernet(ip(second, MODEM_OUT, id=5), MACS[MODEM_OUT], MACS[WWW])
    (rung,) = seen(
        (AT_H1, True, here),
        (MODEM_INSIDE, False, here),
        (MODEM_OUTSIDE, True, there),
        (AT_WWW, False, there),
    )
    assert rung.path == ("h1", "modem", "www.example.com")
    assert rung.changes[1] == ("modem", "data becomes Request: PORT 203,0,113,1,9,9")


def test_what_does_not_arrive_is_lost_and_what_a_router_keeps_stops_there() -> None:
    lost, stopped, through = seen(
        over_the_modem(1)[0],
        *over_the_modem(2)[:2],
        *over_the_modem(3),
    )
    assert (lost.path, lost.lost, lost.stops) == (("h1", "modem"), True, False)
    assert (stopped.path, stopped.lost, stopped.stops) == (("h1", "modem"), False, True)
    assert not (through.lost or through.stops)


def test_of_two_frames_alike_the_one_that_left_later_came() -> None:
    first, second = seen(
        (AT_H1, True, arp(1, H1, MODEM_IN, to=MACS[MODEM_IN])),
        (AT_H1, True, arp(1, H1, MODEM_IN, to=MACS[MODEM_IN])),
        (MODEM_INSIDE, False, arp(1, H1, MODEM_IN, to=MACS[MODEM_IN])),
    )
    assert (first.lost, second.lost) == (True, False)


def test_nothing_is_lost_where_the_capture_itself_has_lost_some() -> None:
    frame = Frame(0, AT_H1, True, 60, inside(1))
    packets = Packets(PLACES, [frame], DIRECTORY, dropped=[0, 1, 0, 0])
    (rung,) = packets.ladder().rungs
    assert not rung.lost


def test_a_packet_for_a_router_itself_does_not_stop_there() -> None:
    data = request(1, H1, MODEM_IN, (H1, MODEM_IN))
    (rung,) = seen((AT_H1, True, data), (MODEM_INSIDE, False, data))
    assert not rung.stops


def test_a_broadcast_tells_who_heard_it_and_a_switchs_guess_does_not_count() -> None:
    asked = arp(1, H1, MODEM_IN, to=EVERYONE)
    h2 = CapturePoint("h2", "eth0", "home")
    other = replace(DIRECTORY.owners[0], node="h2", mac="02:00:00:00:00:12", addresses=())
    directory = replace(DIRECTORY, owners=(*DIRECTORY.owners, other))
    frames = [
        Frame(0, 0, True, 60, asked),
        Frame(1, 4, False, 60, asked),
        Frame(2, 1, False, 60, asked),
        Frame(3, 0, True, 60, inside(1)),
        Frame(4, 1, False, 60, inside(1)),
        Frame(5, 4, False, 60, inside(1)),  # flooded
    ]
    places = (*PLACES, h2)
    packets = Packets(places, frames, directory)
    broadcast, echo = rungs(list(packets), places, directory, hops=True)
    assert (broadcast.path, broadcast.heard) == (("h1",), ("modem", "h2"))
    assert echo.path == ("h1", "modem")


def test_what_a_stranger_sent_is_seen_where_it_arrives() -> None:
    data = request(1, "8.8.8.8", WWW, (MODEM_OUT, WWW))
    (rung,) = seen((AT_WWW, False, data.replace(bytes.fromhex("020000000002"), b"\x02" * 6)))
    assert rung.path == ("8.8.8.8", "www.example.com")


def test_loopback_is_drawn_once() -> None:
    lo = CapturePoint("h1", "lo")
    data = ethernet(ip(dpkt.icmp.ICMP(type=8, data=dpkt.icmp.ICMP.Echo()), "127.0.0.1"))
    packets = Packets([lo], [Frame(0, 0, True, 60, data), Frame(1, 0, False, 60, data)])
    (rung,) = rungs(list(packets), [lo], DIRECTORY, hops=False)
    assert rung.path == ("h1", "h1")


def test_words_above_and_below_an_arrow() -> None:
    probe = dpkt.udp.UDP(sport=5, dport=33434, data=b"x" * 32)
    low = ip(probe)
    low.ttl = 1
    datas = [
        ethernet(low),
        tcp("PA", 1, 1, b"\x01" * 48, port=9),
        arp(2, H1, MODEM_IN, to=MACS[MODEM_IN]),
        inside(1),
    ]
    drawn = rungs(list(captured(datas)), PLACES[:1], DIRECTORY, hops=False)
    assert [(rung.title, rung.detail) for rung in drawn] == [
        ("32 bytes", "5 → 33434  ttl=1"),
        ("48 bytes", "40000 → 9  Seq=1 Ack=1 Len=48"),
        (f"{H1} is at {MACS[H1]}", ""),
        ("Echo (ping) request", "id=0x0007, seq=1, ttl=64"),
    ]
