"""A display filter shows the packets for which all of its terms hold."""

from __future__ import annotations

import pytest

from playground.errors import BadArgument
from playground.frontends.web.content.packet_filter import PacketFilter
from playground.operations.captures.dissect import CapturedPacket
from playground.operations.captures.frames import CapturePoint, Frame

PLACE = CapturePoint("h1", "eth0")
HTTP = CapturedPacket(
    number=7,
    time_s=0.1,
    where="h1/eth0",
    direction="out",
    source="10.0.1.2",
    destination="10.0.1.3",
    protocol="HTTP",
    length_bytes=200,
    info="HTTP/1.1 404 Not Found",
    frame=Frame(0, 0, True, 200, b""),
    place=PLACE,
    source_mac="02:00:00:00:00:01",
    source_port=80,
    destination_port=40000,
    transport="TCP",
    flags="PSH, ACK",
    vlan=10,
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tcp",
        "HTTP",
        "port=80",
        "port==80",
        "port=40000",
        "host=10.0.1.2",
        "source=02:00:00:00:00:01",
        "destination=10.0.1.3",
        "flags=pa",
        "where=h1",
        "vlan=10",
        '"not found"',
        'info="Not Found" tcp -arp',
        "-port=22",
        "protocol=tcp",
    ],
)
def test_it_is_shown(text: str) -> None:
    assert PacketFilter(text).matches(HTTP)


@pytest.mark.parametrize(
    "text",
    [
        "arp",
        "-tcp",
        "port=22",
        "host=10.0.1.9",
        "source=10.0.1.3",
        "flags=s",
        "tcp port=443",
        "xyz",
    ],
)
def test_it_is_hidden(text: str) -> None:
    assert not PacketFilter(text).matches(HTTP)


def test_a_filter_without_terms_is_false() -> None:
    assert not PacketFilter("  ")
    assert PacketFilter("tcp")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("size=80", "the filter knows no 'size': use port, host"),
        ('info="open', "a quote that does not end"),
        ("a" * 501, "more than 500 characters"),
    ],
    ids=["unknown key", "open quote", "long"],
)
def test_a_filter_that_is_none_says_what_to_write(text: str, words: str) -> None:
    with pytest.raises(BadArgument, match=words):
        PacketFilter(text)
