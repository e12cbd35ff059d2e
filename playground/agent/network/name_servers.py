"""Name servers that routers tell of: RFC 8106, heard by the kernel, written into resolv.conf(5).

The kernel checks each advertisement, and hands on the options that are not its own affair to
who listens (RTNLGRP_ND_USEROPT, rtnetlink(7)).  One process for each node does.  Others write into
the file too: what was heard stands between two lines, and only that is replaced.

"""

from __future__ import annotations

import base64
import contextlib
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
from playground.agent.network.staying import begin_each, stay
from playground.agent.nodes.entering import enter_network, forget_nodes, inside
from playground.agent.nodes.files import files
from playground.agent.nodes.regular_files import read_regular
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
_BEGIN, _END = "# Told by routers (RFC 8106)", "# As far as this"
# A host may have made it as large as it likes.
_MOST_BYTES = 1 << 16
# In the node's network namespace, unix(7): who has it listens there.
_PLACE = "\0playground-name-servers"
_PLACE_LIMIT_S = 5.0
# MAXNS of resolv.conf(5), and its limit on what is searched before glibc 2.26.
_MOST_SERVERS, _MOST_DOMAINS = 3, 6
# More than any router tells; what else comes is not listened to until something runs out.
_MOST_KNOWN = 64
# Between two looks, so that whoever floods the link has the file written twenty times a second.
_PAUSE_S = 0.05
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def name_servers(nodes: Sequence[Request], timeout_s: float) -> list[list[str]]:
    return begin_each(nodes, _follow, time.monotonic() + timeout_s)


def _follow(node: Request, deadline: float, writer: int) -> None:
    """Listen in this fresh child process, say what was heard by then, and stay to go on."""
    reply: Request
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        handle = os.pidfd_open(node["watch"])
        enter_network(node["pid"])
        place = take_over()
        events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        # Without an address of its own it would be taken for the kernel, which hears nothing.
        events.bind((0, 0))
        events.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, _RTNLGRP_ND_USEROPT)
        resolver = ResolvConf(node["pid"])
        for name in node["interfaces"]:
            _solicit(name)
        wanted = set(node["expected"])
        ends = (handle, place.fileno())
        while not wanted <= set(resolver.heard) and (left := deadline - time.monotonic()) > 0:
            if not _hear(events, ends, resolver, left):
                break
        reply = {"result": resolver.heard}
    except BaseException as error:
        reply = {"error": str(error), "errno": getattr(error, "errno", None)}
    try:
        os.write(writer, json.dumps(reply).encode())
        if "error" not in reply and stay((*ends, events.fileno())):
            forget_nodes()
            while _hear(events, ends, resolver, resolver.patience_s):
                time.sleep(_PAUSE_S)
    finally:
        os._exit(0)


def take_over() -> socket.socket:
    """Return what shows that this process listens for the node; one that did before ends.

    Its root may hold the place, and has then several that listen.

    """
    place = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    end = time.monotonic() + _PLACE_LIMIT_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            place.bind(_PLACE)
            break
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as call:
            call.setblocking(False)
            call.connect(_PLACE)
        time.sleep(0.01)
    else:
        place.bind("")  # anywhere
    place.listen()
    return place


def _read(pid: int) -> str:
    """Return what stands in the file of a node; one that is too large is left as it is."""
    with inside(pid):
        try:
            said = read_regular(_RESOLV_CONF, None, _MOST_BYTES)
        except FileNotFoundError:  # an image of the user's may have none
            return ""
    return said.decode(errors="surrogateescape")


def _solicit(interface: str) -> None:
    """Ask the routers of a link to tell now what they tell now and then (RFC 4861 6.3.7)."""
    line = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    with line, contextlib.suppress(OSError):  # the link is down: they are heard later
        line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        index = socket.if_nametoindex(interface)
        line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        line.sendto(_SOLICITATION, (_ALL_ROUTERS, 0, 0, index))


def _hear(
    events: socket.socket, ends: tuple[int, int], resolver: ResolvConf, patience_s: float
) -> bool:
    """Wait for something, and write down what is new.

    False when the node has ended, or another listens from now on.

    """
    poll = select.poll()
    for fd in (events.fileno(), *ends):
        poll.register(fd, select.POLLIN)
    for fd, _ in poll.poll(1000 * min(patience_s, 3600.0)):
        if fd in ends:
            return False
        with contextlib.suppress(OSError):  # more came than was read: it comes again
            for kind, body in events_of(events.recv(1 << 16, socket.MSG_DONTWAIT)):
                if kind == _RTM_NEWNDUSEROPT:
                    resolver.learn(body, time.monotonic())
    with contextlib.suppress(OSError):  # its file is none, or the node is just ending
        resolver.write(time.monotonic())
    return True


class ResolvConf:
    """The name servers and domains that a node has heard of, and until when they hold."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._until: dict[tuple[int, str], float] = {}
        # None until it has written: another that listened before may have left lines there.
        self._written: list[tuple[int, str]] | None = None

    @property
    def heard(self) -> list[str]:
        """The name servers heard of when the file was last written, which has the first three."""
        return [text for kind, text in self._written or () if kind == _RDNSS]

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
        """Forget what has run out, and write the file if it is to be another.

        Who takes name servers out of it has it so until something else is heard; a file that
        was written anew as a whole gets its lines again.

        """
        self._until = {item: until for item, until in self._until.items() if until > now}
        known = [*self._until]
        text = _read(self._pid)
        if known == self._written and (not known or _BEGIN in text):
            return
        changed = self.render(text)
        if changed != text:
            content = base64.b64encode(changed.encode(errors="surrogateescape")).decode()
            entry = {"path": _RESOLV_CONF, "content": content}
            files([{"pid": self._pid, "files": [entry]}])
        self._written = known

    def render(self, text: str) -> str:
        """Return the text of the file: what was heard, before what others have written there."""
        domains = [text for kind, text in self._until if kind == _DNSSL][:_MOST_DOMAINS]
        servers = [text for kind, text in self._until if kind == _RDNSS][:_MOST_SERVERS]
        lines = [f"search {' '.join(domains)}"] if domains else []
        lines += [f"nameserver {server}" for server in servers]
        lines = [_BEGIN, *lines, _END] if lines else []
        return "".join(f"{line}\n" for line in lines) + without_told(text)


def without_told(text: str) -> str:
    """Return a resolv.conf without what a listener has written there.

    >>> without_told("# Told by routers (RFC 8106)\\nsearch lab\\n# As far as this\\n# mine\\n")
    '# mine\\n'

    """
    kept: list[str] = []
    own: list[str] | None = None
    for line in text.splitlines(keepends=True):
        said = line.rstrip("\n")
        if said == _BEGIN:
            kept += own or []
            own = []
        elif own is None:
            kept.append(line)
        elif said == _END:
            own = None
        else:
            own.append(line)
    # What has no end is not all our own.
    return "".join(kept + (own or []))


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
