"""Addresses by DHCP: asked for, given to interfaces, renewed.

A client of its own: hosts that have the machine's programs may have none.  It
speaks by a packet socket, for an interface without an address gets no answers
by any other; only a lease is renewed as any program speaks, to its server alone.
The states are those of RFC 2131, figure 5.

"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import random
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator, Sequence

from playground.agent.kernel.syscalls import read_text
from playground.agent.links.interfaces import RTM_NEWLINK, index_or_none, interface_index, set_link
from playground.agent.links.netlink import RTMGRP_LINK, Netlink, events_of
from playground.agent.network.addresses import delete_address, has_address, new_address
from playground.agent.network.dhcp_messages import (
    DHCP_ACK,
    DHCP_CLIENT_PORT,
    DHCP_DECLINE,
    DHCP_DISCOVER,
    DHCP_HOSTNAME,
    DHCP_NAK,
    DHCP_OFFER,
    DHCP_REQUEST,
    DHCP_REQUESTED,
    DHCP_SERVER,
    DHCP_SERVER_PORT,
    arp_claim,
    arp_request,
    broadcast_datagram,
    dhcp_again,
    dhcp_lease,
    dhcp_message,
    dhcp_times,
    read_dhcp,
)
from playground.agent.network.routes import RTM_NEWROUTE, route
from playground.agent.network.staying import begin_each, stay
from playground.agent.protocol import Request

ETH_P_IP, ETH_P_ARP = 0x0800, 0x0806
SIOCGIFFLAGS = 0x8913
SIOCGIFHWADDR = 0x8927
IFF_RUNNING = 0x40

# An unanswered question is asked again: after 4 s, 8, 16 ..., each a second more or
# less by chance (RFC 2131, 4.1).
DHCP_FIRST_WAIT_S, DHCP_LONGEST_WAIT_S = 4.0, 64.0
# How often an offer is asked for, or the lease of before, until it is given up.
DHCP_REQUESTS = 2

# RFC 5227 asks for 3 probes, a second or two apart, and 2 s of quiet: for networks whose
# answers take so long.  Those of a lab come in a millisecond.
ARP_PROBES, ARP_WAIT_S = 3, 0.05
# RFC 2131, 3.1: a client waits after a DECLINE, "ten seconds", lest two chase each other.
DHCP_DECLINED_S = 1.0

# Servers that start with the lab are waited for, so that one question is enough.
DHCP_SERVER_UP_S = 5.0
_POLL_S = 0.01


class NodeGone(Exception):
    """The node has ended, and nobody needs its addresses any more."""


class DhcpClient:
    """A client on one interface of the present network namespace, which is up.

    ``watch`` is a descriptor of the node's first process, readable once that has ended; -1: none.

    """

    def __init__(self, interface: str, hostname: str | None, watch: int = -1) -> None:
        self.interface = interface
        self.index = interface_index(interface)
        self.watch = watch
        # Not from /sys, which shows the namespace that it was mounted in.
        self.mac = self._ioctl(SIOCGIFHWADDR)[18:24]
        self.options = [(DHCP_HOSTNAME, hostname.encode())] if hostname else []

    @property
    def has_carrier(self) -> bool:
        """Whether its cable is in, and the interface up."""
        try:
            (flags,) = struct.unpack_from("H", self._ioctl(SIOCGIFFLAGS), 16)
        except OSError:
            return False
        return bool(flags & IFF_RUNNING)

    def _ioctl(self, number: int) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            asked = struct.pack("16s16x", self.interface.encode())
            answer: bytes = fcntl.ioctl(probe, number, asked)
        return answer

    def ask(self, deadline: float) -> Request | None:
        """Get a lease whose address nobody has; None: nobody has given one by then."""
        # RFC 2131, 4.4.1: INIT, SELECTING, REQUESTING.
        declined_s = DHCP_DECLINED_S
        with self._line(ETH_P_IP) as line:
            for wait_s in self._waits(deadline):
                transaction = int.from_bytes(os.urandom(4), "big")
                self._broadcast(line, DHCP_DISCOVER, transaction)
                offer = self._hear(line, transaction, (DHCP_OFFER,), wait_s)
                if offer is None:
                    continue
                _, address, options = offer
                server = [(code, data) for code, data in options.items() if code == DHCP_SERVER]
                chosen = [(DHCP_REQUESTED, socket.inet_aton(address)), *server]
                answer = self._request(line, transaction, chosen, deadline)
                if answer is None or answer[0] != DHCP_ACK:
                    continue
                if self._is_taken(answer[1]):
                    self._broadcast(line, DHCP_DECLINE, transaction, chosen, hostname=False)
                    self._pause(min(declined_s, max(0.0, deadline - time.monotonic())))
                    declined_s = min(2 * declined_s, DHCP_LONGEST_WAIT_S)
                    continue
                return dhcp_lease(answer[1], answer[2])
        return None

    def ask_for(self, lease: Request, deadline: float) -> tuple[bool, Request | None]:
        """Ask all servers whether the lease of before still holds, as after a start (INIT-REBOOT).

        Returns whether anybody answered, and the lease; None: it was refused.

        """
        wanted = [(DHCP_REQUESTED, socket.inet_aton(_own(lease)))]
        with self._line(ETH_P_IP) as line:
            transaction = int.from_bytes(os.urandom(4), "big")
            answer = self._request(line, transaction, wanted, deadline)
        return self._answered(answer)

    def renew(self, lease: Request, wait_s: float) -> tuple[bool, Request | None]:
        """Ask the server that gave a lease for more time (RENEWING); as `ask_for` returns."""
        own, transaction = _own(lease), int.from_bytes(os.urandom(4), "big")
        with self._line(ETH_P_IP) as line, self._program(own) as program:
            message = dhcp_message(
                DHCP_REQUEST, transaction, self.mac, own, self.options, broadcast=False
            )
            with contextlib.suppress(OSError):  # no way there: asked again later
                program.sendto(message, (lease["server"], DHCP_SERVER_PORT))
            return self._answered(self._hear(line, transaction, (DHCP_ACK, DHCP_NAK), wait_s))

    def rebind(self, lease: Request, wait_s: float) -> tuple[bool, Request | None]:
        """Ask any server for more time (REBINDING); as `ask_for` returns."""
        own, transaction = _own(lease), int.from_bytes(os.urandom(4), "big")
        with self._line(ETH_P_IP) as line:
            message = dhcp_message(
                DHCP_REQUEST, transaction, self.mac, own, self.options, broadcast=False
            )
            self._send(line, message, own)
            return self._answered(self._hear(line, transaction, (DHCP_ACK, DHCP_NAK), wait_s))

    def offers(self, deadline: float, listen_s: float) -> list[Request]:
        """Return what is offered, of all who answer within a time of the first; none is taken."""
        found: list[Request] = []
        with self._line(ETH_P_IP) as line:
            for wait_s in self._waits(deadline):
                transaction = int.from_bytes(os.urandom(4), "big")
                self._broadcast(line, DHCP_DISCOVER, transaction, hostname=False)
                first = self._hear(line, transaction, (DHCP_OFFER,), wait_s)
                if first is None:
                    continue
                until = time.monotonic() + listen_s
                found.append(dhcp_lease(first[1], first[2]))
                while len(found) < _MOST_OFFERS and (left := until - time.monotonic()) > 0:
                    other = self._hear(line, transaction, (DHCP_OFFER,), left)
                    if other is not None:
                        found.append(dhcp_lease(other[1], other[2]))
                break
        return found

    def announce(self, address: str) -> None:
        """Tell the link who has an address now, so that nobody sends to another."""
        # RFC 5227, section 2.3
        with self._line(ETH_P_ARP) as line, contextlib.suppress(OSError):
            everybody = (self.interface, ETH_P_ARP, 0, 0, b"\xff" * 6)
            line.sendto(arp_request(self.mac, address, address), everybody)

    def _is_taken(self, address: str) -> bool:
        """Ask on the link whether another has an address."""
        everybody = (self.interface, ETH_P_ARP, 0, 0, b"\xff" * 6)
        with self._line(ETH_P_ARP) as line:
            for _ in range(ARP_PROBES):
                with contextlib.suppress(OSError):
                    line.sendto(arp_request(self.mac, "0.0.0.0", address), everybody)
                for packet in self._packets(line, ARP_WAIT_S):
                    if arp_claim(packet, self.mac, address) is not None:
                        return True
        return False

    def _request(
        self,
        line: socket.socket,
        transaction: int,
        options: Sequence[tuple[int, bytes]],
        deadline: float,
    ) -> tuple[int, str, dict[int, bytes]] | None:
        for wait_s in itertools.islice(self._waits(deadline), DHCP_REQUESTS):
            self._broadcast(line, DHCP_REQUEST, transaction, options)
            answer = self._hear(line, transaction, (DHCP_ACK, DHCP_NAK), wait_s)
            if answer is not None:
                return answer
        return None

    def _answered(
        self, answer: tuple[int, str, dict[int, bytes]] | None
    ) -> tuple[bool, Request | None]:
        if answer is None or answer[0] != DHCP_ACK:
            return answer is not None, None
        return True, dhcp_lease(answer[1], answer[2])

    def _program(self, own: str) -> socket.socket:
        """Return a socket of a client that has an address: the kernel finds the way."""
        program = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        program.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # the address may have gone
            program.bind((own, DHCP_CLIENT_PORT))
        return program

    def _line(self, protocol: int) -> socket.socket:
        line = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        line.bind((self.interface, protocol))
        return line

    def _waits(self, deadline: float) -> Iterator[float]:
        wait_s = DHCP_FIRST_WAIT_S
        while (left := deadline - time.monotonic()) > 0:
            yield min(wait_s + random.uniform(-1, 1), left)
            wait_s = min(2 * wait_s, DHCP_LONGEST_WAIT_S)

    def _broadcast(
        self,
        line: socket.socket,
        kind: int,
        transaction: int,
        options: Sequence[tuple[int, bytes]] = (),
        hostname: bool = True,
    ) -> None:
        own = self.options if hostname else []
        self._send(line, dhcp_message(kind, transaction, self.mac, options=[*options, *own]))

    def _send(self, line: socket.socket, message: bytes, source: str = "0.0.0.0") -> None:
        packet = broadcast_datagram(message, source)
        with contextlib.suppress(OSError):  # its cable may be out: asked again later
            line.sendto(packet, (self.interface, ETH_P_IP, 0, 0, b"\xff" * 6))

    def _hear(
        self, line: socket.socket, transaction: int, kinds: Sequence[int], wait_s: float
    ) -> tuple[int, str, dict[int, bytes]] | None:
        for packet in self._packets(line, wait_s):
            answer = read_dhcp(packet, transaction)
            if answer is not None and answer[0] in kinds:
                return answer
        return None

    def _pause(self, wait_s: float) -> None:
        for _ in self._packets(None, wait_s):
            pass

    def _packets(self, line: socket.socket | None, wait_s: float) -> Iterator[bytes]:
        """Yield what comes within a time; raises `NodeGone` when the node has ended."""
        poll = select.poll()
        if self.watch >= 0:
            poll.register(self.watch, select.POLLIN)
        if line is not None:
            poll.register(line, select.POLLIN)
        end = time.monotonic() + wait_s
        while (left := end - time.monotonic()) > 0:
            for fd, _ in poll.poll(1000 * left):
                if fd == self.watch:
                    raise NodeGone
                with contextlib.suppress(OSError):  # the interface is down
                    if line is not None:
                        yield line.recv(1 << 16, socket.MSG_DONTWAIT)


def _own(lease: Request) -> str:
    """Return the address of a lease without its prefix length."""
    own: str = lease["address"].partition("/")[0]
    return own


def _wait_for_servers(servers: Sequence[int]) -> None:
    """Wait until each of these nodes listens on the port of DHCP, if it will at all."""
    deadline = time.monotonic() + DHCP_SERVER_UP_S
    wanted = f":{DHCP_SERVER_PORT:04X} "
    for pid in servers:
        while time.monotonic() < deadline:
            if any(wanted in line for line in read_text(f"/proc/{pid}/net/udp").splitlines()):
                break
            time.sleep(_POLL_S)


def dhcp_offers(
    pid: int, interface: str, listen_s: float = 1.0, timeout_s: float = 5.0
) -> list[Request]:
    Netlink(pid).close()  # from here on in its network
    client = DhcpClient(interface, None)
    return client.offers(time.monotonic() + timeout_s, listen_s)


# A host may offer as many as it likes.
_MOST_OFFERS = 32


def lease(
    clients: Sequence[Request], timeout_s: float, servers: Sequence[int] = ()
) -> list[Request | None]:
    _wait_for_servers(servers)
    # Beside each other: each waits for its own server.
    return begin_each(clients, _lease_one, time.monotonic() + timeout_s)


def _lease_one(client: Request, deadline: float, writer: int) -> None:
    """Get a lease in this fresh child process, say so, and stay to keep it."""
    reply: Request = {"result": None}
    keeping = None
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        handle = os.pidfd_open(client["watch"]) if client.get("watch") else -1
        netlink = Netlink(client["pid"])
        asking = DhcpClient(client["interface"], client.get("hostname"), handle)
        netlink.send([set_link(client["interface"], up=True)])
        found = asking.ask(deadline)
        if found is not None:
            apply_lease(netlink, asking, None, found, _gives_way(client, found))
            asking.announce(_own(found))
            reply, keeping = {"result": found}, found
    except BaseException as error:
        reply = {"error": str(error), "errno": getattr(error, "errno", None)}
    try:
        os.write(writer, json.dumps(reply).encode())
        if keeping is None:
            return
        # Whoever asked waits for the end of this pipe.
        if not stay((handle, netlink.socket.fileno())):
            return
        with contextlib.suppress(NodeGone):
            keep_lease(netlink, asking, keeping, client)
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


def _gives_way(client: Request, lease: Request) -> bool:
    """Tell whether a lease's router is taken: as asked, and where nobody planned the address."""
    planned = client.get("planned")
    if planned is not None and lease["address"] not in planned:
        return True
    return bool(client.get("gateway", True))


def _tells_of_no_carrier(packet: bytes, index: int) -> bool:
    """Tell whether the kernel says that an interface is down, or its cable out."""
    # struct ifinfomsg of linux/rtnetlink.h
    return any(
        kind == RTM_NEWLINK
        and len(body) >= 12
        and struct.unpack_from("i", body, 4) == (index,)
        and not struct.unpack_from("I", body, 8)[0] & IFF_RUNNING
        for kind, body in events_of(packet)
    )


def keep_lease(netlink: Netlink, client: DhcpClient, lease: Request, asked: Request) -> None:
    """Renew a lease again and again: RENEWING from T1 on, REBINDING from T2 on.

    Where the cable was out and is in again, the servers of the link are asked whether the
    lease holds there (INIT-REBOOT).  Until the node or interface is gone, or the address that
    the interface was given.

    """
    # RFC 2131, 4.4.5 and figure 5; 3.7 for when an interface comes up again.
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as events:
        events.bind((0, RTMGRP_LINK))
        poll = select.poll()
        poll.register(events, select.POLLIN)
        if client.watch >= 0:
            poll.register(client.watch, select.POLLIN)
        kept: Request | None = lease
        begin = time.monotonic()
        until = begin + dhcp_times(lease["lease_s"])[0]
        had_carrier = client.has_carrier
        while index_or_none(client.interface) == client.index:
            for fd, _ in poll.poll(max(0.0, 1000 * (until - time.monotonic()))):
                if fd == client.watch:
                    return
                # Out and in again may be known at the same moment.
                with contextlib.suppress(OSError):
                    seen = events.recv(1 << 16, socket.MSG_DONTWAIT)
                    had_carrier = had_carrier and not _tells_of_no_carrier(seen, client.index)
            plugged_in = not had_carrier and client.has_carrier
            had_carrier = client.has_carrier
            now = time.monotonic()
            if now < until and not plugged_in:
                continue
            if kept is not None and not has_address(netlink, client.index, kept["address"]):
                return  # somebody has given the interface another
            new, answered = kept, True
            # When the same is asked again, if nobody answers.
            again = begin + dhcp_again(now - begin, kept["lease_s"]) if kept else now
            patience_s = min(DHCP_FIRST_WAIT_S, max(0.0, again - now))
            if kept is None:
                new = client.ask(now + DHCP_LONGEST_WAIT_S)
            elif plugged_in:
                answered, new = client.ask_for(kept, now + 3 * DHCP_FIRST_WAIT_S)
            elif now >= begin + kept["lease_s"]:
                new = None  # what has run out is not used
            elif now < begin + dhcp_times(kept["lease_s"])[1] and kept["server"]:
                answered, new = client.renew(kept, patience_s)
            else:
                answered, new = client.rebind(kept, patience_s)
            if kept is not None and not answered:
                # The lease goes on, until it has run out.
                until = max(until, again)
                continue
            with contextlib.suppress(OSError):  # the interface may just have gone
                gateway = new is not None and _gives_way(asked, new)
                apply_lease(netlink, client, kept, new, gateway)
                if new is not None and (kept is None or kept["address"] != new["address"]):
                    client.announce(_own(new))
            kept, begin = new, time.monotonic()
            # Without a lease: at once, `ask` waits itself.
            until = begin + (dhcp_times(new["lease_s"])[0] if new else 0.0)
