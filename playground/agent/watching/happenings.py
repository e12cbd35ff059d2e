"""Happenings in nodes, told as they come: interfaces, addresses, routes, ports, the end of one.

A process for each who listens.  The kernel tells it by rtnetlink(7) of all but ports, which it
looks at now and then.  What a node does too often is counted, and its number told.

"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from typing import Any

from playground.agent.kernel.syscalls import CLONE_NEWNET, setns
from playground.agent.line.forked_job import fork_job
from playground.agent.line.loop import Loop
from playground.agent.line.saved_state import STATE_PATH
from playground.agent.links.interfaces import (
    IFF_UP,
    IFLA_CARRIER,
    IFLA_IFNAME,
    RTM_DELLINK,
    RTM_GETLINK,
    RTM_NEWLINK,
    link_body,
)
from playground.agent.links.netlink import (
    NLM_F_DUMP,
    RTMGRP_LINK,
    Message,
    Netlink,
    attributes,
    events_of,
    plain_text,
)
from playground.agent.network.addresses import (
    IFA_ADDRESS,
    IFA_LOCAL,
    RTM_DELADDR,
    RTM_GETADDR,
    RTM_NEWADDR,
)
from playground.agent.network.listening import listening
from playground.agent.network.routes import (
    ADDRESS_BYTES,
    RTM_DELROUTE,
    RTM_NEWROUTE,
    RTPROT_KERNEL,
    route_rows,
)
from playground.agent.nodes.entering import enter_network
from playground.agent.nodes.regular_files import write_all
from playground.agent.protocol import Request

# linux/rtnetlink.h
RTMGRP_IPV4_IFADDR = 0x10
RTMGRP_IPV4_ROUTE = 0x40
RTMGRP_IPV6_IFADDR = 0x100
RTMGRP_IPV6_ROUTE = 0x400
_GROUPS = (
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE
)

# How often ports are looked at; less often where that takes more than a tenth of the time.
_LOOK_S = 0.5
_SHARE = 10
# How often the lab's description is looked at, whose time of change says that it is a new one.
_STATE_S = 0.1
# So many of one node's in a second are told; a table of a million routes is a number.
MOST_A_SECOND = 200
# Addresses known of one node; more are told as often as the kernel does.
_MOST_ADDRESSES = 10_000


def happenings(agent: Loop, request_id: Any, nodes: Sequence[Request]) -> Any:
    """Start a job that tells what happens in nodes; see the protocol."""
    return fork_job(agent, request_id, lambda: Watcher(nodes).serve)


class Watcher:
    """All that is watched, from when it is made."""

    def __init__(self, nodes: Sequence[Request]) -> None:
        self._places = []
        own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        for node in nodes:
            setns(own, CLONE_NEWNET)
            # One that has ended since it was asked for is told so.
            with contextlib.suppress(ProcessLookupError):
                self._places.append(WatchedNetwork(node))
        setns(own, CLONE_NEWNET)
        os.close(own)
        found = {place.pid for place in self._places}
        self._lost = [node["pid"] for node in nodes if node["pid"] not in found]
        self._state = _changed_at()
        self._look_at = self._state_at = time.monotonic()

    def serve(self, out: int) -> None:
        """Tell what there is, then {"ready": true}, then what happens, until the last node ends."""
        poll = select.poll()
        by_socket = {place.socket.fileno(): place for place in self._places}
        by_handle = {place.handle: place for place in self._places if place.handle >= 0}
        for fd in (*by_socket, *by_handle):
            poll.register(fd, select.POLLIN)
        for place in self._places:
            _tell(out, place.known())
        self._look(out)
        _tell(out, [{"pid": pid, "died": True} for pid in self._lost])
        _tell(out, [{"ready": True}])
        while True:
            rest_s = min(self._look_at, self._state_at) - time.monotonic()
            for fd, _ in poll.poll(max(0.0, rest_s) * 1000):
                if fd in by_socket:
                    _tell(out, by_socket[fd].read())
                elif fd in by_handle:
                    gone = by_handle.pop(fd)
                    for one in (fd, gone.socket.fileno()):
                        poll.unregister(one)
                    del by_socket[gone.socket.fileno()]
                    self._places.remove(gone)
                    gone.close()
                    _tell(out, [{"pid": gone.pid, "died": True}])
            now = time.monotonic()
            for place in self._places:
                _tell(out, place.overflow(now))
            if now >= self._look_at:
                self._look(out)
            if now >= self._state_at:
                self._state_at = now + _STATE_S
                if (state := _changed_at()) != self._state:
                    self._state = state
                    _tell(out, [{"state": True}])

    def _look(self, out: int) -> None:
        """Look at the ports of all nodes."""
        began = time.monotonic()
        asked = [place for place in self._places if place.ports]
        rows = listening([{"pid": place.pid, "ports": place.ports} for place in asked])
        for place, row in zip(asked, rows, strict=True):
            if row is not None and row != place.heard:
                place.heard = row
                ports = [[*port, is_open] for port, is_open in zip(place.ports, row, strict=True)]
                _tell(out, [{"pid": place.pid, "ports": ports}])
        took_s = time.monotonic() - began
        self._look_at = began + max(_LOOK_S, _SHARE * took_s)


class WatchedNetwork:
    """One node, or with a pid of None the lab's own network: entered, and left in it."""

    def __init__(self, node: Request) -> None:
        self.pid: int | None = node["pid"]
        self.ports = [(str(protocol), int(port)) for protocol, port in node.get("ports", ())]
        self.heard: list[bool] = []
        self.handle = -1 if self.pid is None else os.pidfd_open(self.pid)
        if self.pid is not None:
            enter_network(self.pid)
        # Open before anything is looked at, so that nothing is missed in between.
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self.socket.bind((0, _GROUPS if self.pid is not None else RTMGRP_LINK))
        self.socket.setblocking(False)
        self._netlink = Netlink(None)
        self._interfaces: dict[int, Request] = {}
        self._addresses: set[tuple[int, str]] = set()
        self._second, self._told, self._untold = 0, 0, 0
        self._dump()

    def close(self) -> None:
        """Let go of its network."""
        self.socket.close()
        self._netlink.close()
        os.close(self.handle)

    def known(self) -> list[Request]:
        """Return its interfaces as they were found."""
        return [self._row(row) for row in self._interfaces.values()]

    def read(self) -> list[Request]:
        """Return what the kernel has told since."""
        try:
            packet = self.socket.recv(1 << 17)
        except BlockingIOError:
            return []
        except OSError:  # ENOBUFS: some were lost (netlink(7)); all interfaces are told anew
            self._untold += 1
            self._interfaces.clear()
            self._dump()
            return self.known()
        found = []
        for kind, body in events_of(packet):
            for row in self._happening(kind, body):
                if self._may_tell():
                    found.append(row)
        return found

    def overflow(self, now: float) -> list[Request]:
        """Return how many were not told in the second before."""
        if not self._untold or int(now) == self._second:
            return []
        count, self._untold = self._untold, 0
        return [{"pid": self.pid, "lost": count}]

    def _may_tell(self) -> bool:
        if (second := int(time.monotonic())) != self._second:
            self._second, self._told = second, 0
        self._told += 1
        self._untold += self._told > MOST_A_SECOND
        return self._told <= MOST_A_SECOND

    def _dump(self) -> None:
        question = Message(RTM_GETLINK, NLM_F_DUMP, link_body(), "list interfaces")
        for answer in self._netlink.ask(question):
            list(self._link(RTM_NEWLINK, answer))
        body = struct.pack("BBBBi", *[0] * 5)
        for answer in self._netlink.ask(Message(RTM_GETADDR, NLM_F_DUMP, body, "list addresses")):
            list(self._address(RTM_NEWADDR, answer))

    def _happening(self, kind: int, body: bytes) -> Iterator[Request]:
        if kind in (RTM_NEWLINK, RTM_DELLINK):
            yield from self._link(kind, body)
        elif kind in (RTM_NEWADDR, RTM_DELADDR):
            yield from self._address(kind, body)
        elif kind in (RTM_NEWROUTE, RTM_DELROUTE) and body[5] != RTPROT_KERNEL:
            names = {index: row["interface"] for index, row in self._interfaces.items()}
            for row in route_rows(body, names):
                yield {"pid": self.pid, "route": row, "there": kind == RTM_NEWROUTE}

    def _link(self, kind: int, body: bytes) -> Iterator[Request]:
        if body[0] != socket.AF_UNSPEC:  # a bridge's port, told once more
            return
        index, flags = struct.unpack_from("iI", body, 4)
        found = attributes(body[16:])
        row = {
            "interface": plain_text(found.get(IFLA_IFNAME)),
            "up": bool(flags & IFF_UP),
            "carrier": found.get(IFLA_CARRIER, b"\0")[0] == 1,
            "there": kind == RTM_NEWLINK,
        }
        if kind == RTM_DELLINK:
            if self._interfaces.pop(index, None) is not None:
                yield self._row(row)
        elif self._interfaces.get(index) != row:
            self._interfaces[index] = row
            yield self._row(row)

    def _address(self, kind: int, body: bytes) -> Iterator[Request]:
        family, length, _, _, index = struct.unpack_from("BBBBi", body)
        found = attributes(body[8:])
        packed = found.get(IFA_LOCAL, found.get(IFA_ADDRESS, b""))
        if len(packed) != ADDRESS_BYTES.get(family):
            return
        text = f"{socket.inet_ntop(family, packed)}/{length}"
        key = index, text
        if (key in self._addresses) == (kind == RTM_NEWADDR):
            return  # its lifetime was told once more
        if kind == RTM_DELADDR:
            self._addresses.discard(key)
        elif len(self._addresses) < _MOST_ADDRESSES:
            self._addresses.add(key)
        interface = self._interfaces.get(index, {}).get("interface", "")
        yield self._row({"address": text, "interface": interface, "there": kind == RTM_NEWADDR})

    def _row(self, row: Request) -> Request:
        return {"pid": self.pid, **row}


def _changed_at() -> int:
    """Return a number that is another one when the lab is written down anew."""
    try:
        return os.stat(STATE_PATH).st_mtime_ns
    except OSError:
        return 0


def _tell(out: int, rows: Sequence[Request]) -> None:
    if rows:
        write_all(out, "".join(json.dumps(row) + "\n" for row in rows).encode())
