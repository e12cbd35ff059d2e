"""Name servers that routers tell of: RFC 8106, heard by the kernel, written into resolv.conf(5).

The kernel checks each advertisement, and hands on the options that are not its own affair to
who listens (RTNLGRP_ND_USEROPT, rtnetlink(7)).  One process for each node does.

"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import re
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator, Sequence

from playground.agent.links.netlink import NETLINK_ADD_MEMBERSHIP, SOL_NETLINK, events_of
from playground.agent.network.staying import stay
from playground.agent.nodes.entering import enter_network, forget_nodes
from playground.agent.nodes.files import files, read_file
from playground.agent.protocol import Request

# linux/rtnetlink.h
_RTNLGRP_ND_USEROPT = 20
_RTM_NEWNDUSEROPT = 68
# struct nduseroptmsg: family, length of the options, interface, ICMPv6 type and code
_USER_OPTION = struct.Struct("BxHiBBHI")

# RFC 8106 sections 5.1 and 5.2
_RDNSS, _DNSSL = 25, 31
# RFC 4861 section 4.1; ICMP6_FILTER and its "block all" are those of linux/icmpv6.h.
_SOLICITATION = struct.pack("!BBHI", 133, 0, 0, 0)
_ALL_ROUTERS = "ff02::2"

_RESOLV_CONF = "/etc/resolv.conf"
# A host may have made it as large as it likes.
_MOST_BYTES = 1 << 16
# MAXNS of resolv.conf(5), and its limit on what is searched before glibc 2.26.
_MOST_SERVERS, _MOST_DOMAINS = 3, 6
# More than any router tells; what else comes is not listened to until something runs out.
_MOST_KNOWN = 64
# Between two looks, so that whoever floods the link has the file written twenty times a second.
_PAUSE_S = 0.05
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def name_servers(nodes: Sequence[Request], timeout_s: float) -> list[list[str]]:
    deadline = time.monotonic() + timeout_s
    readers = []
    for node in nodes:
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(reader)
            _follow(node, deadline, writer)
        os.close(writer)
        readers.append(reader)
    results: list[list[str]] = []
    for reader in readers:
        with os.fdopen(reader, "rb") as said:
            reply = json.loads(said.read() or b'{"error": "it ended"}')
        if "error" in reply:
            raise OSError(reply.get("errno") or errno.EIO, reply["error"])
        results.append(reply["result"])
    return results


def _follow(node: Request, deadline: float, writer: int) -> None:
    """Listen in this fresh child process, say what was heard by then, and stay to go on."""
    reply: Request
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        handle = os.pidfd_open(node["watch"])
        text = _read(node["pid"])
        enter_network(node["pid"])
        events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        # Without an address of its own it would be taken for the kernel, which hears nothing.
        events.bind((0, 0))
        events.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, _RTNLGRP_ND_USEROPT)
        resolver = ResolvConf(node["pid"], text)
        for name in node["interfaces"]:
            _solicit(name)
        wanted = set(node["expected"])
        while not wanted <= set(resolver.servers) and (left := deadline - time.monotonic()) > 0:
            if not _hear(events, handle, resolver, left):
                break
        reply = {"result": resolver.servers}
    except BaseException as error:
        reply = {"error": str(error), "errno": getattr(error, "errno", None)}
    try:
        os.write(writer, json.dumps(reply).encode())
        if "error" not in reply and stay((handle, events.fileno())):
            forget_nodes()
            while _hear(events, handle, resolver, resolver.patience_s):
                time.sleep(_PAUSE_S)
    finally:
        os._exit(0)


def _read(pid: int) -> str:
    try:
        return base64.b64decode(read_file(pid, _RESOLV_CONF, _MOST_BYTES)).decode(errors="replace")
    except FileNotFoundError:  # an image of the user's may have none
        return ""


def _solicit(interface: str) -> None:
    """Ask the routers of a link to tell now what they tell now and then (RFC 4861 6.3.7)."""
    line = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    with line, contextlib.suppress(OSError):  # the link is down: they are heard later
        line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        index = socket.if_nametoindex(interface)
        line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        line.sendto(_SOLICITATION, (_ALL_ROUTERS, 0, 0, index))


def _hear(events: socket.socket, handle: int, resolver: ResolvConf, patience_s: float) -> bool:
    """Wait for something, and write down what is new; False when the node has ended."""
    poll = select.poll()
    poll.register(events, select.POLLIN)
    poll.register(handle, select.POLLIN)
    for fd, _ in poll.poll(1000 * min(patience_s, 3600.0)):
        if fd == handle:
            return False
        with contextlib.suppress(OSError):  # more came than was read: it comes again
            for kind, body in events_of(events.recv(1 << 16, socket.MSG_DONTWAIT)):
                if kind == _RTM_NEWNDUSEROPT:
                    resolver.learn(body, time.monotonic())
    with contextlib.suppress(OSError):  # its file is none, or the node is just ending
        resolver.write(time.monotonic())
    return True


class ResolvConf:
    """The name servers and domains that a node has heard of, and until when they hold.

    ``text`` is what its resolv.conf said without them.

    """

    def __init__(self, pid: int, text: str) -> None:
        self._pid = pid
        self._text = text
        self._until: dict[tuple[int, str], float] = {}
        self._written: list[tuple[int, str]] = []

    @property
    def servers(self) -> list[str]:
        """The name servers that stand in its file."""
        return [text for kind, text in self._written if kind == _RDNSS]

    @property
    def patience_s(self) -> float:
        """How long nothing will change, if nobody says anything."""
        return max(0.0, min(self._until.values(), default=3600.0) - time.monotonic()) + 0.01

    def learn(self, body: bytes, now: float) -> None:
        """Take over what one message of the kernel says."""
        for kind, lifetime_s, texts in read_options(body):
            for text in texts:
                if lifetime_s == 0:
                    self._until.pop((kind, text), None)
                elif (kind, text) in self._until or len(self._until) < _MOST_KNOWN:
                    self._until[kind, text] = now + lifetime_s

    def write(self, now: float) -> None:
        """Forget what has run out, and write the file if it is to be another."""
        self._until = {item: until for item, until in self._until.items() if until > now}
        if [*self._until] == self._written:
            return
        self._written = [*self._until]
        content = base64.b64encode(self.render().encode()).decode()
        files([{"pid": self._pid, "files": [{"path": _RESOLV_CONF, "content": content}]}])

    def render(self) -> str:
        """Return the text of the file: what was heard, before what stood there."""
        domains = [text for kind, text in self._until if kind == _DNSSL][:_MOST_DOMAINS]
        servers = [text for kind, text in self._until if kind == _RDNSS][:_MOST_SERVERS]
        lines = ["# Told by routers (RFC 8106)"] if domains or servers else []
        lines += [f"search {' '.join(domains)}"] if domains else []
        lines += [f"nameserver {server}" for server in servers]
        return "".join(f"{line}\n" for line in lines) + self._text


def read_options(body: bytes) -> Iterator[tuple[int, int, list[str]]]:
    """Yield kind, lifetime in seconds, and texts of the options in one message of the kernel.

    What is no address or no host name is left out: anybody on the link may have sent it.

    """
    if len(body) < _USER_OPTION.size:
        return
    _, length, index, kind, _, _, _ = _USER_OPTION.unpack_from(body)
    options = body[_USER_OPTION.size : _USER_OPTION.size + length]
    while len(options) >= 8 and options[1]:
        option, options = options[: 8 * options[1]], options[8 * options[1] :]
        if len(option) != 8 * option[1] or kind != 134:  # a router advertisement
            return
        (lifetime_s,) = struct.unpack_from("!I", option, 4)
        if option[0] == _RDNSS:
            whole = (option[start : start + 16] for start in range(8, len(option) - 15, 16))
            yield _RDNSS, lifetime_s, [_address(packed, index) for packed in whole]
        elif option[0] == _DNSSL:
            yield _DNSSL, lifetime_s, list(_domains(option[8:]))


def _address(packed: bytes, index: int) -> str:
    text = socket.inet_ntop(socket.AF_INET6, packed)
    if not text.startswith("fe80:"):
        return text
    try:
        return f"{text}%{socket.if_indextoname(index)}"
    except OSError:
        return text


def _domains(data: bytes) -> Iterator[str]:
    """Yield the host names of RFC 1035 section 3.1, one after the other, zeros behind them."""
    labels: list[str] = []
    while data:
        length, data = data[0], data[1:]
        if not length:
            if labels and all(_LABEL.fullmatch(label) for label in labels):
                yield ".".join(labels)
            labels = []
            continue
        labels.append(data[:length].decode("latin-1"))
        data = data[length:]
