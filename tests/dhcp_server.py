"""A DHCP server of a test's own, which says what it is told to: RFC 2131."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence

import dpkt

from playground.agent.network.dhcp_messages import (
    DHCP_CLIENT_PORT,
    DHCP_END,
    DHCP_KIND,
    DHCP_MAGIC,
    DHCP_SERVER_PORT,
)

ETH_P_IP = 0x0800
Options = Sequence[tuple[int, bytes]]
# Messages to the server: a kind and options; from it: a kind, an address and options.
Says = Callable[[int, dict[int, bytes]], tuple[int, str, Options] | None]


def answer(kind: int, transaction: int, address: str, options: Options) -> bytes:
    """Build an answer of a server's, an IP packet to everybody."""
    head = struct.pack("!BBBBI8x4s", 2, 1, 6, 0, transaction, bytes(4))
    head = head[:16] + socket.inet_aton(address)
    payload = head.ljust(236, b"\0") + struct.pack("!I", DHCP_MAGIC)
    for code, data in ((DHCP_KIND, bytes([kind])), *options):
        payload += bytes([code, len(data)]) + data
    payload += bytes([DHCP_END])
    udp = dpkt.udp.UDP(sport=DHCP_SERVER_PORT, dport=DHCP_CLIENT_PORT, data=payload)
    udp.ulen = len(udp)
    packet = dpkt.ip.IP(
        src=socket.inet_aton("10.0.0.1"), dst=b"\xff" * 4, p=socket.IPPROTO_UDP, data=udp
    )
    return bytes(packet)


@contextlib.contextmanager
def serving(interface: str, says: Says) -> Iterator[list[int]]:
    """Answer on an interface of the present network namespace; yield the kinds heard so far."""
    heard: list[int] = []
    line = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    line.bind((interface, ETH_P_IP))
    stop, stopped = socket.socketpair()

    def serve() -> None:
        while True:
            ready, _, _ = select.select([line, stopped], [], [])
            if stopped in ready:
                return
            data, (_, _, kind_of, _, _) = line.recvfrom(4096)
            with contextlib.suppress(dpkt.UnpackError, AttributeError):
                packet = dpkt.ip.IP(data)
                if kind_of == socket.PACKET_OUTGOING or packet.data.dport != DHCP_SERVER_PORT:
                    continue
                asked = dpkt.dhcp.DHCP(packet.data.data)
                options = dict(asked.opts)
                kind = options[DHCP_KIND][0]
                said = says(kind, options)
                heard.append(kind)
                if said is not None:
                    reply = answer(said[0], asked.xid, said[1], said[2])
                    line.sendto(reply, (interface, ETH_P_IP, 0, 0, b"\xff" * 6))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield heard
    finally:
        stop.send(b"x")
        thread.join()
        for opened in (line, stop, stopped):
            opened.close()
