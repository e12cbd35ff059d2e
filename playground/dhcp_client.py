"""A DHCP client, for interfaces that `playground.machine_side` makes in any container.

A neighbour of that script: standard library and `agent`.  The container may have
no client, and need not know of this one.  It speaks by a packet socket: an interface
without an address gets answers by no other where its routes are checked (rp_filter).

See RFC 2131, options RFC 2132.

"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import json
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from typing import Any

from playground import agent

Request = dict[str, Any]

# linux/if_ether.h, linux/sockios.h, linux/rtnetlink.h
RTMGRP_LINK = 1
ETH_P_IP = 0x0800
SIOCGIFHWADDR = 0x8927
DHCP_SERVER_PORT, DHCP_CLIENT_PORT = 67, 68
DHCP_MAGIC = 0x63825363
DHCP_BROADCAST = 0x8000
DHCP_DISCOVER, DHCP_OFFER, DHCP_REQUEST, DHCP_ACK, DHCP_NAK = 1, 2, 3, 5, 6
DHCP_MASK, DHCP_ROUTER, DHCP_DNS, DHCP_HOSTNAME, DHCP_DOMAIN = 1, 3, 6, 12, 15
DHCP_REQUESTED, DHCP_LEASE, DHCP_KIND, DHCP_SERVER, DHCP_WANTED, DHCP_CLIENT = (
    50,
    51,
    53,
    54,
    55,
    61,
)
DHCP_END = 255

# What is asked again when nobody has answered, after so many seconds (RFC 2131, 4.1,
# says 4 to 64; a lab answers in a millisecond, or is still coming up).
DHCP_WAITS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
# Of a lease that never ends, 0xffffffff, too.
DHCP_LONGEST_S = 7 * 24 * 3600.0


def dhcp_message(
    kind: int,
    transaction: int,
    mac: bytes,
    address: str = "0.0.0.0",
    options: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    """Build what a client sends; ``address`` is the one that it has already."""
    head = struct.pack(
        "!BBBBIHH4s4s4s4s16s192xI",
        1,  # a request
        1,
        6,
        0,
        transaction,
        0,
        DHCP_BROADCAST,
        socket.inet_aton(address),
        bytes(4),
        bytes(4),
        bytes(4),
        mac,
        DHCP_MAGIC,
    )
    wanted = bytes([DHCP_MASK, DHCP_ROUTER, DHCP_DNS, DHCP_DOMAIN, DHCP_LEASE])
    first = ((DHCP_KIND, bytes([kind])), (DHCP_CLIENT, b"\x01" + mac), (DHCP_WANTED, wanted))
    body = b"".join(bytes([code, len(data)]) + data for code, data in (*first, *options))
    # BOOTP's 64 bytes of options at least (RFC 1542, 2.1).
    return head + (body + bytes([DHCP_END])).ljust(60, b"\0")


def broadcast_datagram(payload: bytes, source: str) -> bytes:
    """Put a client's message into UDP and IP, to everybody on the link."""
    udp = struct.pack("!HHHH", DHCP_CLIENT_PORT, DHCP_SERVER_PORT, 8 + len(payload), 0)
    addresses = socket.inet_aton(source) + b"\xff\xff\xff\xff"
    pseudo = addresses + struct.pack("!BBH", 0, socket.IPPROTO_UDP, 8 + len(payload))
    checksum = internet_checksum(pseudo + udp + payload) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", checksum)
    length = 28 + len(payload)
    head = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    head = head[:10] + struct.pack("!H", internet_checksum(head)) + head[12:]
    return head + udp + payload


def internet_checksum(data: bytes) -> int:
    """Return the checksum of RFC 1071."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2))
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def read_dhcp(packet: bytes, transaction: int) -> tuple[int, str, dict[int, bytes]] | None:
    """Read an IP packet: kind, address given and options; None for what is no answer to us."""
    if len(packet) < 28 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP:
        return None
    begin = (packet[0] & 15) * 4
    payload = packet[begin + 8 :]
    if packet[begin : begin + 4] != struct.pack("!HH", DHCP_SERVER_PORT, DHCP_CLIENT_PORT):
        return None
    if len(payload) < 240 or payload[0] != 2:
        return None
    found, magic = struct.unpack_from("!4xI228xI", payload)
    if found != transaction or magic != DHCP_MAGIC:
        return None
    options: dict[int, bytes] = {}
    offset = 240
    while offset + 1 < len(payload) and payload[offset] != DHCP_END:
        if payload[offset] == 0:
            offset += 1
            continue
        code, length = payload[offset], payload[offset + 1]
        # Of one that comes twice, the parts belong together (RFC 3396).
        options[code] = options.get(code, b"") + payload[offset + 2 : offset + 2 + length]
        offset += 2 + length
    if len(options.get(DHCP_KIND, b"")) != 1:
        return None
    return options[DHCP_KIND][0], socket.inet_ntoa(payload[16:20]), options


def dhcp_lease(address: str, options: dict[int, bytes]) -> Request:
    """Return what an acknowledgement gives, as `lease` replies."""

    def addresses(code: int) -> list[str]:
        data = options.get(code, b"")
        return [socket.inet_ntoa(data[at : at + 4]) for at in range(0, len(data) // 4 * 4, 4)]

    mask = int.from_bytes(options.get(DHCP_MASK, b"\xff\xff\xff\0")[:4], "big")
    seconds = int.from_bytes(options.get(DHCP_LEASE, b""), "big") or 3600
    return {
        "address": f"{address}/{mask.bit_count()}",
        "router": next(iter(addresses(DHCP_ROUTER)), None),
        "nameservers": addresses(DHCP_DNS),
        "domain": options.get(DHCP_DOMAIN, b"").rstrip(b"\0").decode("ascii", "replace") or None,
        "server": next(iter(addresses(DHCP_SERVER)), None),
        "lease_s": min(float(seconds), DHCP_LONGEST_S),
    }


class DhcpClient:
    """A client on one interface of the present network namespace, which is up."""

    def __init__(self, interface: str, hostname: str | None) -> None:
        self.interface = interface
        self.index = agent.interface_index(interface)
        # Not from /sys, which shows the namespace that it was mounted in.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            asked = struct.pack("16s16x", interface.encode())
            self.mac: bytes = fcntl.ioctl(probe, SIOCGIFHWADDR, asked)[18:24]
        self.options = [(DHCP_HOSTNAME, hostname.encode())] if hostname else []

    def ask(self, deadline: float) -> Request | None:
        """Get a lease; None: nobody has given one by then."""
        with self._line() as line:
            for wait_s in self._waits(deadline):
                transaction = int.from_bytes(os.urandom(4), "big")
                self._send(
                    line, dhcp_message(DHCP_DISCOVER, transaction, self.mac, options=self.options)
                )
                offer = self._hear(line, transaction, (DHCP_OFFER,), wait_s)
                if offer is None:
                    continue
                _, address, options = offer
                chosen = [(DHCP_REQUESTED, socket.inet_aton(address))]
                chosen += [(code, data) for code, data in options.items() if code == DHCP_SERVER]
                message = dhcp_message(
                    DHCP_REQUEST, transaction, self.mac, options=[*chosen, *self.options]
                )
                self._send(line, message)
                answer = self._hear(line, transaction, (DHCP_ACK, DHCP_NAK), max(wait_s, 0.5))
                if answer is not None and answer[0] == DHCP_ACK:
                    return dhcp_lease(answer[1], answer[2])
        return None

    def renew(self, lease: Request, deadline: float) -> Request | None:
        """Get the same lease for longer; None: it was refused, or nobody has answered."""
        own = lease["address"].partition("/")[0]
        with self._line() as line:
            for wait_s in self._waits(deadline):
                transaction = int.from_bytes(os.urandom(4), "big")
                message = dhcp_message(DHCP_REQUEST, transaction, self.mac, own, self.options)
                self._send(line, message, own)
                answer = self._hear(line, transaction, (DHCP_ACK, DHCP_NAK), wait_s)
                if answer is not None:
                    refused = answer[0] == DHCP_NAK
                    return None if refused else dhcp_lease(answer[1], answer[2])
        return None

    def _line(self) -> socket.socket:
        line = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        line.bind((self.interface, ETH_P_IP))
        return line

    def _waits(self, deadline: float) -> Iterator[float]:
        for wait_s in itertools.chain(DHCP_WAITS_S, itertools.repeat(DHCP_WAITS_S[-1])):
            left = deadline - time.monotonic()
            if left <= 0:
                return
            yield min(wait_s, left)

    def _send(self, line: socket.socket, message: bytes, source: str = "0.0.0.0") -> None:
        packet = broadcast_datagram(message, source)
        with contextlib.suppress(OSError):  # its cable may be out: asked again later
            line.sendto(packet, (self.interface, ETH_P_IP, 0, 0, b"\xff" * 6))

    def _hear(
        self, line: socket.socket, transaction: int, kinds: Sequence[int], wait_s: float
    ) -> tuple[int, str, dict[int, bytes]] | None:
        end = time.monotonic() + wait_s
        while (left := end - time.monotonic()) > 0:
            line.settimeout(left)
            try:
                packet = line.recv(1 << 16)
            except OSError:
                # Nothing came, or the interface is down.
                continue
            answer = read_dhcp(packet, transaction)
            if answer is not None and answer[0] in kinds:
                return answer
        return None


def lease(clients: Sequence[Request], timeout_s: float) -> list[Request | None]:
    """Get an address for each interface, and have processes stay that renew them.

    A client is {"pid", "interface", "watch": pid or null, "hostname": text or null,
    "gateway": bool}; its process ends with the interface, or with ``watch``.  None
    where nobody has given one in time.

    """
    deadline = time.monotonic() + timeout_s
    results: list[Request | None] = []
    readers = []
    # Beside each other: each waits for its own server.
    for client in clients:
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(reader)
            _lease_one(client, deadline, writer)
        os.close(writer)
        readers.append(reader)
    for reader in readers:
        with os.fdopen(reader, "rb") as said:
            reply = json.loads(said.read() or b'{"error": "it ended"}')
        if "error" in reply:
            raise OSError(reply.get("errno") or errno.EIO, reply["error"])
        results.append(reply["result"])
    return results


def _lease_one(client: Request, deadline: float, writer: int) -> None:
    """Get a lease in this fresh child process, say so, and stay to keep it."""
    reply: Request = {"result": None}
    keeping = None
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        handle = os.pidfd_open(client["watch"]) if client.get("watch") else -1
        netlink = agent.Netlink(client["pid"])
        asking = DhcpClient(client["interface"], client.get("hostname"))
        netlink.send([agent.set_link(client["interface"], up=True)])
        found = asking.ask(deadline)
        if found is not None:
            apply_lease(netlink, asking, None, found, client.get("gateway", True))
            reply, keeping = {"result": found}, found
    except BaseException as error:
        reply = {"error": str(error), "errno": getattr(error, "errno", None)}
    try:
        os.write(writer, json.dumps(reply).encode())
        if keeping is None:
            return
        # Whoever asked waits for the end of this pipe.
        if os.fork() != 0:
            return
        os.setsid()
        agent.prctl(agent.PR_SET_PDEATHSIG, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        null = os.open("/dev/null", os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        kept = (handle, netlink.socket.fileno())
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) not in kept:
                with contextlib.suppress(OSError):
                    os.close(int(name))
        keep_lease(netlink, asking, keeping, client.get("gateway", True), handle)
    finally:
        os._exit(0)


def apply_lease(
    netlink: agent.Netlink,
    client: DhcpClient,
    old: Request | None,
    new: Request | None,
    gateway: bool,
) -> None:
    """Give an interface what a lease says, in place of what an earlier one said."""
    name, index = client.interface, client.index
    if old is not None and (new is None or old["address"] != new["address"]):
        netlink.attempt([agent.delete_address(name, index, old["address"])])
    if new is None:
        return
    netlink.send([agent.new_address(name, index, new["address"])])
    if gateway and new["router"]:
        entry = {"destination": "0.0.0.0/0", "via": new["router"], "interface": name}
        netlink.send([agent.route(agent.RTM_NEWROUTE, entry, index)])


def keep_lease(
    netlink: agent.Netlink, client: DhcpClient, lease: Request, gateway: bool, handle: int
) -> None:
    """Renew a lease at half its time, again and again, until its interface or node is gone."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as events:
        events.bind((0, RTMGRP_LINK))
        poll = select.poll()
        poll.register(events, select.POLLIN)
        if handle >= 0:
            poll.register(handle, select.POLLIN)
        kept: Request | None = lease
        begin = time.monotonic()
        # RFC 2131, 4.4.5: T1 is half of the time, and what has run out is not used.
        until = begin + lease["lease_s"] / 2
        while _index_or_none(client.interface) == client.index:
            for fd, _ in poll.poll(max(0.0, 1000 * (until - time.monotonic()))):
                if fd == handle:
                    return
                with contextlib.suppress(OSError):
                    events.recv(1 << 16, socket.MSG_DONTWAIT)
            if time.monotonic() < until:
                continue
            if kept is not None:
                new = client.renew(kept, begin + kept["lease_s"])
            else:
                new = client.ask(time.monotonic() + DHCP_WAITS_S[-1])
            with contextlib.suppress(OSError):  # the interface may just have gone
                apply_lease(netlink, client, kept, new, gateway)
            kept, begin = new, time.monotonic()
            until = begin + (new["lease_s"] / 2 if new else DHCP_WAITS_S[-1])


def _index_or_none(interface: str) -> int | None:
    with contextlib.suppress(OSError):
        return socket.if_nametoindex(interface)
    return None
