"""Headers of IP packets, beside another library's reading of them."""

from __future__ import annotations

from ipaddress import ip_address

import dpkt
import pytest

from playground.agent.network.ip_packets import carried, ends

DATAGRAM = bytes(dpkt.udp.UDP(sport=53, dport=5353, data=b"answer"))
A, B = ip_address("2001:db8::1"), ip_address("2001:db8::2")


def ipv4(options: bytes = b"") -> bytes:
    packet = dpkt.ip.IP(src=b"\x0a\0\0\x01", dst=b"\x0a\0\0\x02", p=17, opts=options)
    packet.hl = 5 + len(options) // 4
    packet.data = DATAGRAM
    packet.len = packet.hl * 4 + len(DATAGRAM)
    return bytes(packet)


def ipv6(protocol: int, data: bytes) -> bytes:
    return bytes(dpkt.ip6.IP6(src=A.packed, dst=B.packed, nxt=protocol, plen=len(data))) + data


@pytest.mark.parametrize(
    ("packet", "found"),
    [
        pytest.param(ipv4(), (17, DATAGRAM), id="IPv4"),
        pytest.param(ipv4(b"\1\1\1\0"), (17, DATAGRAM), id="IPv4 with options"),
        pytest.param(ipv4() + bytes(18), (17, DATAGRAM), id="padding behind it"),
        pytest.param(ipv4()[:24], (17, DATAGRAM[:4]), id="cut off"),
        pytest.param(ipv4()[:2] + b"\0\0" + ipv4()[4:], (17, DATAGRAM), id="length 0"),
        pytest.param(ipv6(17, DATAGRAM), (17, DATAGRAM), id="IPv6"),
        pytest.param(ipv6(0, b"\x11\0" + bytes(6) + DATAGRAM), (17, DATAGRAM), id="hop-by-hop"),
        pytest.param(ipv6(44, b"\x11\x09" + bytes(6) + DATAGRAM), (17, DATAGRAM), id="fragment"),
        pytest.param(ipv6(51, b"\x11\4" + bytes(22) + DATAGRAM), (17, DATAGRAM), id="RFC 4302"),
        pytest.param(ipv6(0, b"\x11\xff"), (17, b""), id="an extension longer than all"),
        pytest.param(b"", None, id="nothing"),
        pytest.param(ipv4()[:19], None, id="less than a header"),
        pytest.param(b"\x60" + bytes(38), None, id="less than a header of IPv6"),
        pytest.param(b"\x50" + bytes(60), None, id="another version"),
    ],
)
def test_what_a_packet_carries(packet: bytes, found: tuple[int, bytes] | None) -> None:
    assert carried(packet) == found
    assert (ends(packet) is None) == (found is None)


def test_the_ends_of_a_packet() -> None:
    assert ends(ipv4()) == ("10.0.0.1", "10.0.0.2")
    assert ends(ipv6(17, DATAGRAM)) == (str(A), str(B))
