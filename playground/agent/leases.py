"""Addresses by DHCP: asked for, given to interfaces, renewed.

A client of its own: hosts that have the machine's programs may have none.  It
speaks by a packet socket, for an interface without an address gets no answers
by any other.

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

from playground.agent.addresses import delete_address, has_address, new_address
from playground.agent.dhcp import (
    DHCP_ACK,
    DHCP_DISCOVER,
    DHCP_HOSTNAME,
    DHCP_NAK,
    DHCP_OFFER,
    DHCP_REQUEST,
    DHCP_REQUESTED,
    DHCP_SERVER,
    broadcast_datagram,
    dhcp_lease,
    dhcp_message,
    read_dhcp,
)
from playground.agent.kernel import PR_SET_PDEATHSIG, prctl
from playground.agent.links import index_or_none, interface_index, set_link
from playground.agent.netlink import RTMGRP_LINK, Netlink
from playground.agent.protocol import Request
from playground.agent.routes import RTM_NEWROUTE, route

ETH_P_IP = 0x0800
SIOCGIFHWADDR = 0x8927

# What is asked again when nobody has answered, after so many seconds (RFC 2131, 4.1,
# says 4 to 64; a lab answers in a millisecond, or is still coming up).
DHCP_WAITS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)


class DhcpClient:
    """A client on one interface of the present network namespace, which is up."""

    def __init__(self, interface: str, hostname: str | None) -> None:
        self.interface = interface
        self.index = interface_index(interface)
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
        netlink = Netlink(client["pid"])
        asking = DhcpClient(client["interface"], client.get("hostname"))
        netlink.send([set_link(client["interface"], up=True)])
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
        prctl(PR_SET_PDEATHSIG, 0)
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
    netlink: Netlink, client: DhcpClient, old: Request | None, new: Request | None, gateway: bool
) -> None:
    """Give an interface what a lease says, in place of what an earlier one said."""
    name, index = client.interface, client.index
    if old is not None and (new is None or old["address"] != new["address"]):
        netlink.attempt([delete_address(name, index, old["address"])])
    if new is None:
        return
    netlink.send([new_address(name, index, new["address"])])
    if gateway and new["router"]:
        entry = {"destination": "0.0.0.0/0", "via": new["router"], "interface": name}
        netlink.send([route(RTM_NEWROUTE, entry, index)])


def keep_lease(
    netlink: Netlink, client: DhcpClient, lease: Request, gateway: bool, handle: int
) -> None:
    """Renew a lease at half its time, again and again.

    Until its node or interface is gone, or the address that the interface was given.

    """
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
        while index_or_none(client.interface) == client.index:
            for fd, _ in poll.poll(max(0.0, 1000 * (until - time.monotonic()))):
                if fd == handle:
                    return
                with contextlib.suppress(OSError):
                    events.recv(1 << 16, socket.MSG_DONTWAIT)
            if time.monotonic() < until:
                continue
            if kept is not None and not has_address(netlink, client.index, kept["address"]):
                return  # somebody has given the interface another
            if kept is not None:
                new = client.renew(kept, begin + kept["lease_s"])
            else:
                new = client.ask(time.monotonic() + DHCP_WAITS_S[-1])
            with contextlib.suppress(OSError):  # the interface may just have gone
                apply_lease(netlink, client, kept, new, gateway)
            kept, begin = new, time.monotonic()
            until = begin + (new["lease_s"] / 2 if new else DHCP_WAITS_S[-1])
