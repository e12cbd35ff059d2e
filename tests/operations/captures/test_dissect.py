"""Frames made readable."""

from __future__ import annotations

import socket
import struct
from xml.etree import ElementTree

import dpkt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from playground.operations.captures.frames import RAW_IP, CapturePoint, Frame
from playground.operations.captures.packets import Packets
from playground.operations.captures.protocol_words import BY_PORT
from tests.made import H1, MACS, MODEM_IN, WWW, arp, captured, ethernet, handshake, ip, tcp, udp


def infos(*datas: bytes) -> list[str]:
    return [f"{packet.protocol}: {packet.info}" for packet in captured(datas)]


def marks(*datas: bytes) -> list[str]:
    return [packet.mark for packet in captured(datas)]


def record(kind: int, body: bytes) -> bytes:
    return struct.pack(">BHH", kind, 0x0303, len(body)) + body


def client_hello(server: str, padding: int = 0) -> bytes:
    name = server.encode()
    entry = struct.pack(">BH", 0, len(name)) + name
    sni = struct.pack(">HHH", 0, len(entry) + 2, len(entry)) + entry
    extensions = sni + struct.pack(">HH", 21, padding) + bytes(padding)
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\2\x13\x01" + b"\1\0"
    body += struct.pack(">H", len(extensions)) + extensions
    return b"\x01" + len(body).to_bytes(3, "big") + body


def test_tcp_is_told_with_relative_numbers() -> None:
    packets = captured([*handshake(0xFFFFFFF0), tcp("PA", 0xFFFFFFF1, 5001, b"x" * 40)])
    assert [packet.info for packet in packets] == [
        "40000 → 80 [SYN] Seq=0 Win=500 Len=0 MSS=1460",
        "80 → 40000 [SYN, ACK] Seq=0 Ack=1 Win=500 Len=0 MSS=1460",
        "40000 → 80 [ACK] Seq=1 Ack=1 Win=500 Len=0",
        "data, 40 bytes",
    ]
    last = packets[3]
    assert (last.seq, last.ack, last.payload) == (1, 1, b"x" * 40)
    assert (last.source, last.source_port, last.destination) == (H1, 40000, WWW)
    assert (last.where, last.direction, last.time_s) == ("h1/eth0", "out", pytest.approx(0.003))


def test_headers_that_are_not_plain_are_read_as_those_that_are() -> None:
    # Most packets have neither a tag nor options, and their words are known from those before.
    plain = [
        *handshake(),
        tcp("PA", 1001, 5001, b"GET / HTTP/1.1\r\n"),
        tcp("PA", 1001, 5001, b"GET / HTTP/1.1\r\n"),
        tcp("A", 5001, 1020, back=True),
        udp(40000, 9, b"x" * 30),
        udp(40000, 9, b"x" * 30)[:30],
        tcp("A", 1020, 5001)[:50],
    ]
    tagged = [frame[:12] + b"\x81\x00\x00\x05" + frame[12:] for frame in plain]
    for one, other in zip(captured(plain), captured(tagged), strict=True):
        assert (one.vlan, other.vlan) == (None, 5)
        for name in ("source", "destination_mac", "protocol", "info", "seq", "mark", "payload"):
            assert getattr(one, name) == getattr(other, name), (one, name)


def test_windows_are_scaled_when_both_sides_agreed() -> None:
    scale = b"\x01\x03\x03\x07"
    packets = captured(
        [
            tcp("S", 0, opts=scale),
            tcp("SA", 0, 1, back=True, opts=scale),
            tcp("A", 1, 1),
        ]
    )
    assert "Win=500 " in packets[0].info
    assert "Win=64000 " in packets[2].info


def test_what_is_sent_again_is_marked() -> None:
    one, two, three = (tcp("PA", 1001 + 10 * n, 5001, b"x" * 10) for n in range(3))
    assert marks(*handshake(), one, two, one)[-3:] == ["", "", "retransmission"]
    assert marks(*handshake(), handshake()[1])[-1] == "retransmission"
    missing = "previous segment missing"
    assert marks(*handshake(), one, three, two)[-2:] == [missing, "out of order"]
    late = captured([*handshake(), one, three, two, two], step_ms=200)
    assert [packet.mark for packet in late][-3:] == [missing, "retransmission", "retransmission"]


def test_a_duplicate_ack_and_a_keep_alive_are_marked() -> None:
    data = tcp("PA", 1001, 5001, b"x" * 10)
    again = tcp("A", 5001, 1001, back=True)
    assert marks(*handshake(), again, data, again, again)[-2:] == ["duplicate ACK"] * 2
    confirmed = tcp("A", 5001, 1011, back=True)
    assert marks(*handshake(), data, confirmed, tcp("A", 1010, 5001))[-1] == "keep-alive"


def test_a_connection_seen_from_its_middle_begins_with_one() -> None:
    packets = captured([tcp("PA", 77, 99, b"ab"), tcp("A", 99, 79, back=True)])
    assert [(packet.seq, packet.ack) for packet in packets] == [(1, 1), (1, 3)]


@pytest.mark.parametrize(
    ("port", "back", "payload", "told"),
    [
        (80, False, b"GET / HTTP/1.1\r\nHost: www\r\n\r\n", "HTTP: GET / HTTP/1.1"),
        (8888, True, b"HTTP/1.1 200 OK\r\n\r\n", "HTTP: HTTP/1.1 200 OK"),
        (21, False, b"USER student\r\n", "FTP: Request: USER student"),
        (21, True, b"230 Login successful.\r\n", "FTP: Response: 230 Login successful."),
        (25, False, b"EHLO h1\r\n", "SMTP: Request: EHLO h1"),
        (110, True, b"+OK ready\r\n", "POP: Response: +OK ready"),
        (23, False, b"ls\r\n", "TELNET: data 'ls\\r\\n'"),
        (23, True, b"\xff\xfd\x18", "TELNET: options, 3 bytes"),
        (22, True, b"SSH-2.0-OpenSSH_10.0\r\n", "SSH: protocol SSH-2.0-OpenSSH_10.0"),
        (179, False, b"\xff" * 16 + b"\0\x13\x04", "BGP: KEEPALIVE"),
    ],
)
def test_what_tcp_carries_is_told(port: int, back: bool, payload: bytes, told: str) -> None:
    assert infos(tcp("PA", 1, 1, payload, back=back, port=port)) == [told]


def test_tls_is_told_record_by_record() -> None:
    hello = record(22, client_hello("www.example.com"))
    answer = record(22, b"\x02\0\0\x02xx") + record(20, b"\x01") + record(23, b"secret") * 2
    assert infos(tcp("PA", 1, 1, hello, port=443), tcp("PA", 1, 9, answer, True, port=443)) == [
        "TLS: Client Hello (SNI=www.example.com)",
        "TLS: Server Hello, Change Cipher Spec, 2 x Application Data",
    ]
    assert infos(tcp("PA", 1, 1, record(21, b"\x02\x28"), port=443)) == ["TLS: Alert (fatal, 40)"]


def test_a_tls_record_in_two_segments_is_told_where_it_ends() -> None:
    hello = record(22, client_hello("www.example.com", padding=1500))
    first, second = tcp("A", 1, 1, hello[:1448], port=443), hello[1448:]
    assert infos(first, tcp("PA", 1449, 1, second, port=443)) == [
        "TLS: Client Hello begins",
        "TLS: Client Hello (SNI=www.example.com)",
    ]


def test_dns_is_told_with_its_answers() -> None:
    query = dpkt.dns.DNS(id=7, qd=[dpkt.dns.DNS.Q(name="www.example.com", type=1)])
    reply = dpkt.dns.DNS(id=7, qd=query.qd, qr=1)
    reply.an = [dpkt.dns.DNS.RR(name="www.example.com", type=1, cls=1, rdata=socket.inet_aton(WWW))]
    refused = dpkt.dns.DNS(id=7, qd=query.qd, qr=1, rcode=3)
    assert infos(
        udp(5000, 53, bytes(query)), udp(53, 5000, bytes(reply)), udp(53, 5000, bytes(refused))
    ) == [
        "DNS: query 0x0007 A www.example.com",
        "DNS: response 0x0007 A www.example.com A 203.0.113.2",
        "DNS: response 0x0007 No such name A www.example.com",
    ]


def test_names_that_nobody_can_print_are_told_in_one_line() -> None:
    query = dpkt.dns.DNS(id=7, qd=[dpkt.dns.DNS.Q(name="a\n\x1b[2J.example", type=1)])
    hello = record(22, client_hello("www\x00\x01.example"))
    packets = captured(
        [udp(40001, 53, bytes(query)), tcp("PA", 1, 1, hello, port=443)],
    )
    assert [packet.info for packet in packets] == [
        "query 0x0007 A a··[2J.example",
        "Client Hello (SNI=www··.example)",
    ]
    ElementTree.fromstring(packets.ladder().svg())


def test_dns_is_told_with_texts() -> None:
    reply = dpkt.dns.DNS(id=7, qd=[dpkt.dns.DNS.Q(name="example.com", type=16)], qr=1)
    # RFC 1035 section 3.3.14: each text behind its length
    reply.an = [dpkt.dns.DNS.RR(name="example.com", type=16, cls=1, rdata=b"\x05v=one\x03two")]
    assert infos(udp(53, 5000, bytes(reply))) == [
        "DNS: response 0x0007 TXT example.com TXT v=one two"
    ]


def test_dhcp_is_told_with_the_address() -> None:
    offer = dpkt.dhcp.DHCP(op=2, xid=0xABCD, yiaddr=0xC0A8010B, opts=((53, b"\x02"),))
    assert infos(udp(67, 68, bytes(offer))) == ["DHCP: Offer 192.168.1.11, transaction 0x0000abcd"]


def test_arp_and_icmp_are_told() -> None:
    echo = dpkt.icmp.ICMP(type=8, data=dpkt.icmp.ICMP.Echo(id=3, seq=1, data=b"x" * 8))
    late = dpkt.icmp.ICMP(type=11, data=dpkt.icmp.ICMP.TimeExceed(data=ip(echo)))
    closed = dpkt.icmp.ICMP(type=3, code=3, data=dpkt.icmp.ICMP.Unreach(data=ip(echo)))
    assert infos(
        arp(1, H1, MODEM_IN, to="ff:ff:ff:ff:ff:ff"),
        arp(2, MODEM_IN, H1, source=MACS[MODEM_IN], to=MACS[H1]),
        ethernet(ip(echo)),
        ethernet(ip(late)),
        ethernet(ip(closed)),
    ) == [
        "ARP: who has 192.168.1.1? tell 192.168.1.11",
        "ARP: 192.168.1.1 is at 02:00:00:00:00:01",
        "ICMP: Echo (ping) request id=0x0003, seq=1, ttl=64",
        "ICMP: Time-to-live exceeded in transit",
        "ICMP: Destination unreachable (port unreachable)",
    ]


def test_ipv6_a_tag_and_a_fragment_are_told() -> None:
    asked = dpkt.icmp6.ICMP6(type=135, data=bytes(4) + socket.inet_pton(socket.AF_INET6, "fd00::2"))
    six = dpkt.ip6.IP6(src=b"\xfe" * 16, dst=b"\xff" * 16, nxt=58, hlim=255, data=asked)
    six.plen = len(bytes(asked))
    tagged = tcp("S", 1)
    tagged = tagged[:12] + b"\x81\x00\x00\x0a" + tagged[12:]
    part = ip(dpkt.udp.UDP(), id=9)
    part.offset, part.p, part.data = 1480, 17, b"x" * 100
    part.len = 120
    packets = captured([ethernet(six), tagged, ethernet(part)])
    assert packets[0].info == "Neighbor Solicitation for fd00::2"
    assert (packets[1].vlan, packets[1].protocol) == (10, "TCP")
    assert packets[2].info == "fragment of protocol 17, offset 1480, id 0x0009"


def test_what_is_no_ethernet_and_what_is_cut_is_told() -> None:
    place, frame = (
        CapturePoint("h1", "wg0", link_type=RAW_IP),
        Frame(0, 0, True, 40, tcp("S", 1)[14:]),
    )
    bare = Packets([place], [frame])
    assert bare[0].info.startswith("40000 → 80 [SYN]")
    cut = captured([tcp("S", 1)[:20], b"\x01\x02"])
    assert [packet.protocol for packet in cut] == ["unknown", "unknown"] or all(
        packet.info for packet in cut
    )


def test_the_length_of_what_was_cut_is_that_on_the_wire() -> None:
    whole = tcp("PA", 1, 1, b"x" * 1000, port=9)
    (packet,) = Packets([CapturePoint("h1", "eth0")], [Frame(0, 0, True, len(whole), whole[:100])])
    assert "Len=1000" in packet.info


def upper(protocol: int, data: bytes, to: str = WWW) -> bytes:
    """A frame whose IPv4 packet carries these bytes, whatever they are."""
    packet = dpkt.ip.IP(src=socket.inet_aton(H1), dst=socket.inet_aton(to), p=protocol, ttl=64)
    packet.data, packet.len = data, 20 + len(data)
    return ethernet(packet)


def inside(address: str = "10.0.0.1") -> bytes:
    """A frame of another network, as a tunnel carries it: an echo request."""
    echo = dpkt.icmp.ICMP(type=8, data=dpkt.icmp.ICMP.Echo(id=3, seq=1, data=b"x" * 8))
    return ethernet(ip(echo, address, "10.0.0.2"))


ECHO = "ICMP 10.0.0.1 → 10.0.0.2 Echo (ping) request id=0x0003, seq=1, ttl=64"
VXLAN = udp(40000, 4789, struct.pack("!II", 8 << 24, 100 << 8) + inside())
GRE = upper(47, struct.pack("!HHI", 0x2000, 0x0800, 7) + inside()[14:])
# An ESP packet in 6in4, of which dpkt can write nothing that it has read.
SPOILER = upper(41, bytes.fromhex("6000000000283240" + "00" * 32) + b"a" * 40)


@pytest.mark.parametrize(
    ("frame", "protocol", "info"),
    [
        (VXLAN, "VXLAN", f"VNI 100: {ECHO}"),
        (GRE, "GRE", f"key 7: {ECHO}"),
        (upper(47, struct.pack("!HH", 0, 0x6558) + inside()), "GRE", ECHO),
        (upper(4, inside()[14:]), "IPIP", ECHO),
        (SPOILER, "6in4", "ESP :: → :: 40 bytes"),
        (
            upper(2, bytes.fromhex("160009f9ef010203")),
            "IGMPv2",
            "Membership Report group 239.1.2.3",
        ),
        (upper(103, bytes.fromhex("2000dfff")), "PIMv2", "Hello"),
        (upper(89, bytes.fromhex("0201002c")), "OSPF", "Hello"),
        (udp(123, 123, b"\x23" + bytes(47)), "NTP", "NTP Version 4, client"),
        (udp(40000, 3784, b"\x20"), "BFD", "40000 → 3784 Len=1"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_tunnels_and_what_ip_carries_are_told(frame: bytes, protocol: str, info: str) -> None:
    (packet,) = captured([frame])
    assert (packet.protocol, packet.info) == (protocol, info)
    assert (packet.source, packet.destination) == (H1, WWW)


def test_what_is_in_a_tunnel_is_a_packet_of_its_own() -> None:
    first, second = (
        udp(40000, 4789, struct.pack("!II", 8 << 24, 100 << 8) + data)
        for data in (handshake()[0], handshake()[2])
    )
    packets = captured([first, second])
    inner = packets[1].inner
    assert inner is not None
    assert (inner.protocol, inner.seq, inner.source) == ("TCP", 1, H1)  # relative to the first's
    assert str(packets.ladder()).count("-- VNI 100: TCP") == 2


def test_tunnels_in_tunnels_end() -> None:
    data = inside()[14:]
    for _ in range(40):
        data = upper(4, data)[14:]
    (packet,) = captured([upper(4, data)])
    assert packet.info.count("IPIP") == 4
    assert packet.info.endswith("bytes")


WHOLE = [
    handshake()[0],
    tcp("PA", 1, 1, record(22, client_hello("www.example.com")), port=443),
    udp(5000, 53, bytes(dpkt.dns.DNS(qd=[dpkt.dns.DNS.Q(name="www.example.com")]))),
    udp(68, 67, bytes(dpkt.dhcp.DHCP(opts=((53, b"\x01"),)))),
    arp(1, H1, MODEM_IN, to="ff:ff:ff:ff:ff:ff"),
    ethernet(ip(dpkt.icmp.ICMP(type=3, code=4, data=dpkt.icmp.ICMP.Unreach()))),
    VXLAN,
    GRE,
    SPOILER,
    *(upper(number, bytes(range(48))) for number in (2, 41, 50, 51, 89, 103, 112, 132)),
    *(udp(9, port, bytes(48)) for port in (69, 123, 161, 500, 520, 1812, 3784, 4789, 5353)),
    ethernet(dpkt.ip6.IP6(src=b"\xfe" * 16, dst=b"\xff" * 16, nxt=0, plen=48), to=MACS[H1])
    + bytes.fromhex("2c00000000000000" + "3a00000000000000" + "87" + "00" * 31),
]


def check_everything_shows(datas: list[bytes]) -> None:
    """Whatever the frames are, there is a row for each, and all of them are drawn."""
    packets = captured(datas)
    assert len(packets.table()) == len(datas)
    assert all(packet.protocol and packet.info for packet in packets)
    assert str(packets.table())
    assert packets._repr_html_()
    list(packets.streams())
    for ladder in (packets.ladder(), packets.ladder(hops=False)):
        ElementTree.fromstring(ladder.svg())
        str(ladder)
    for packet in packets:
        assert packet.decoded is None or packet.network is not packet
        assert isinstance(packet.ip_payload, bytes)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=6),
    st.integers(0, 400),
)
@example(SPOILER, [], 400)
def test_whatever_comes_is_a_packet_that_is_listed_and_drawn(
    data: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    changed = bytearray(data)
    for place, value in changes:
        changed[place % len(changed)] = value
    check_everything_shows([bytes(changed)[:length], data])


# The beginning of an Ethernet frame, so that chance comes to the layers behind it.
HEADS = [
    b"",
    *(bytes(12) + bytes.fromhex(kind) for kind in ("0800", "86dd", "0806", "8100000a0800", "0026")),
    *(upper(number, b"") for number in (1, 2, 4, 6, 17, 41, 47, 50, 58, 89, 103, 112, 132)),
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(HEADS), st.binary(max_size=120)), min_size=1, max_size=3))
def test_chance_is_listed_and_drawn(frames: list[tuple[bytes, bytes]]) -> None:
    datas = []
    for head, rest in frames:
        data = bytearray(head + rest)
        if head[12:14] == b"\x08\x00" and len(head) == 34:
            data[16:18] = (len(data) - 14).to_bytes(2, "big")
        datas.append(bytes(data))
    check_everything_shows(datas)


@pytest.mark.parametrize("port", sorted({53, 67, 80, 443, 520, 5353, 4789, *BY_PORT}))
@settings(max_examples=10, deadline=None)
@given(data=st.binary(max_size=100))
def test_no_message_of_a_program_breaks_a_table(port: int, data: bytes) -> None:
    check_everything_shows([udp(9, port, data), tcp("PA", 1, 1, data, port=port)])
