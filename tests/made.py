"""Frames made by dpkt, for tests of what reads and draws them."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import dpkt

from playground.operations.captures.frames import CapturePoint, Directory, Frame, Owner
from playground.operations.captures.packets import Packets

H1, WWW, MODEM_IN, MODEM_OUT = "192.168.1.11", "203.0.113.2", "192.168.1.1", "203.0.113.1"
MACS = {H1: "02:00:00:00:00:11", MODEM_IN: "02:00:00:00:00:01"}
MACS |= {MODEM_OUT: "02:00:00:00:00:02", WWW: "02:00:00:00:00:22"}

# h1 -- modem (which translates) -- www
DIRECTORY = Directory(
    (
        Owner("h1", "eth0", "home", MACS[H1], (H1,)),
        Owner("modem", "eth0", "home", MACS[MODEM_IN], (MODEM_IN,)),
        Owner("modem", "eth1", "modem--www", MACS[MODEM_OUT], (MODEM_OUT,)),
        Owner("www.example.com", "eth0", "modem--www", MACS[WWW], (WWW,)),
    ),
    frozenset({"modem"}),
)
PLACES = (
    CapturePoint("h1", "eth0", "home"),
    CapturePoint("modem", "eth0", "home"),
    CapturePoint("modem", "eth1", "modem--www"),
    CapturePoint("www.example.com", "eth0", "modem--www"),
)


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ethernet(inner: dpkt.Packet, source: str = MACS[H1], to: str = MACS[MODEM_IN]) -> bytes:
    kind = {dpkt.ip.IP: 0x0800, dpkt.ip6.IP6: 0x86DD, dpkt.arp.ARP: 0x0806}[type(inner)]
    return bytes(dpkt.ethernet.Ethernet(src=mac(source), dst=mac(to), type=kind, data=inner))


def ip(inner: dpkt.Packet, source: str = H1, to: str = WWW, **more: Any) -> dpkt.ip.IP:
    number = {dpkt.tcp.TCP: 6, dpkt.udp.UDP: 17, dpkt.icmp.ICMP: 1}.get(type(inner), 0)
    packet = dpkt.ip.IP(
        src=socket.inet_aton(source), dst=socket.inet_aton(to), p=number, ttl=64, data=inner
    )
    for name, value in more.items():
        setattr(packet, name, value)
    packet.len = len(packet)
    return packet


def tcp(
    flags: str, seq: int, ack: int = 0, data: bytes = b"", back: bool = False, **more: Any
) -> bytes:
    """A segment from h1's port 40000 to www's port 80, or back."""
    bits = sum({"S": 2, "A": 16, "F": 1, "R": 4, "P": 8}[letter] for letter in flags)
    ports = {"sport": 40000, "dport": more.pop("port", 80)}
    ends = {"source": H1, "to": WWW}
    macs = {"source": MACS[H1], "to": MACS[MODEM_IN]}
    if back:
        ports = {"sport": ports["dport"], "dport": ports["sport"]}
        ends = {"source": ends["to"], "to": ends["source"]}
        macs = {"source": macs["to"], "to": macs["source"]}
    segment = dpkt.tcp.TCP(
        seq=seq & 0xFFFFFFFF, ack=ack & 0xFFFFFFFF, flags=bits, win=500, data=data, **ports
    )
    segment.opts = more.pop("opts", b"")
    segment.off = 5 + len(segment.opts) // 4
    return ethernet(ip(segment, **ends, **more), **macs)


def udp(sport: int, dport: int, data: bytes, source: str = H1, to: str = WWW, **macs: str) -> bytes:
    datagram = dpkt.udp.UDP(sport=sport, dport=dport, data=data)
    datagram.ulen = len(datagram)
    return ethernet(ip(datagram, source, to), **macs)


def arp(op: int, sender: str, target: str, **macs: str) -> bytes:
    asked = dpkt.arp.ARP(
        op=op,
        sha=mac(macs.get("source", MACS[H1])),
        spa=socket.inet_aton(sender),
        tpa=socket.inet_aton(target),
    )
    return ethernet(asked, **macs)


def captured(
    datas: Sequence[bytes], step_ms: float = 1, places: Sequence[CapturePoint] = PLACES[:1]
) -> Packets:
    """The packets of frames seen one after the other at the first place."""
    owner = MACS[H1]
    frames = [
        Frame(
            1_700_000_000_000_000_000 + int(number * step_ms * 1_000_000),
            0,
            data[6:12] == mac(owner),
            len(data),
            data,
        )
        for number, data in enumerate(datas)
    ]
    return Packets(places, frames, DIRECTORY)


def handshake(first: int = 1000, other: int = 5000) -> list[bytes]:
    """The three segments that open a connection."""
    mss = b"\x02\x04\x05\xb4"
    return [
        tcp("S", first, opts=mss),
        tcp("SA", other, first + 1, back=True, opts=mss),
        tcp("A", first + 1, other + 1),
    ]
