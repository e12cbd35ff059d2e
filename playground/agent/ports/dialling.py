"""Connections to a port of a node's own, made inside the node.

A server may listen at all addresses, at the loopback address alone, or at one address of
the node alone.  So the loopback addresses come first, and then what the kernel says that
listens.  What answered last comes first the next time.

"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator
from typing import TypeAlias

from playground.agent.kernel.syscalls import CLONE_NEWNET, setns
from playground.agent.network.listening import listening_sockets
from playground.agent.nodes.entering import coming_back, gone, has_ended, open_namespace
from playground.agent.ports.polling import WRITE, Handle, Poller

Place: TypeAlias = tuple[socket.AddressFamily, str]

_LOOPBACK: dict[str, Place] = {
    "0.0.0.0": (socket.AF_INET, "127.0.0.1"),
    "::": (socket.AF_INET6, "::1"),
}

# How often a SYN is sent again, which makes 7 seconds: tcp(7).
_SYN_RETRIES = 2


class NodeNetwork:
    """Sockets that can be opened in one node, from inside its network or from outside.

    With the number of the node's first process it is entered for each, by a handle of that
    network's: the number may be another process's one day.  With None one is there already.

    """

    def __init__(self, pid: int | None) -> None:
        self._fd: int | None = None
        self._process: int | None = None
        if pid is not None:
            process = os.pidfd_open(pid)
            try:
                fd = open_namespace(pid, "net")
                if has_ended(pid, process):  # then the network may be whose the number is now
                    os.close(fd)
                    raise gone(pid)
            except BaseException:
                os.close(process)
                raise
            self._fd, self._process = fd, process

    @property
    def process(self) -> Handle:
        """What can be read from once the node's first process has ended."""
        assert self._process is not None
        return Handle(self._process)

    def close(self) -> None:
        """Let go of it: from now on nothing is opened in it.  May be repeated."""
        if self._process is not None and self._fd is not None:
            os.close(self._fd)
            os.close(self._process)
            self._fd, self._process = -1, None

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be in the node's network within the block."""
        if self._fd is None:
            yield
            return
        with coming_back():
            setns(self._fd, CLONE_NEWNET)
            yield

    def open(self, family: int, kind: int) -> socket.socket:
        with self.entered():
            made = socket.socket(family, kind)
        made.setblocking(False)
        return made

    def listening(self, protocol: str, port: int) -> list[Place]:
        """Return where something listens on a port of the node."""
        with self.entered():
            rows = [*listening_sockets({})]
        places = []
        for row in rows:
            if (row["protocol"], row["port"]) == (protocol, port):
                address = row["address"]
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                places.append(_LOOPBACK.get(address, (family, address)))
        return places


class Target:
    """A port of a node, and the addresses at which it may answer."""

    def __init__(self, node: NodeNetwork, protocol: str, port: int) -> None:
        self.node = node
        self.protocol = protocol
        self.port = port
        self._first: Place = _LOOPBACK["0.0.0.0"]

    @property
    def kind(self) -> socket.SocketKind:
        return socket.SOCK_STREAM if self.protocol == "tcp" else socket.SOCK_DGRAM

    def places(self) -> Iterator[Place]:
        """Yield the addresses to be tried, each once."""
        tried = set()
        for place in (self._first, *_LOOPBACK.values()):
            if place not in tried:
                tried.add(place)
                yield place
        with contextlib.suppress(OSError):
            for place in self.node.listening(self.protocol, self.port):
                if place not in tried:
                    tried.add(place)
                    yield place

    def answered(self, place: Place) -> None:
        self._first = place

    def open(self, place: Place) -> tuple[socket.socket, int]:
        """Begin a connection to an address; return the socket, and the errno of connect(2)."""
        family, address = place
        made = self.node.open(family, self.kind)
        if self.protocol == "tcp":
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, _SYN_RETRIES)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made, made.connect_ex((address, self.port))


def dial(poller: Poller, target: Target, connected: Callable[[socket.socket | None], None]) -> None:
    """Connect to a node's TCP port; call a function with the socket, or None if nobody answers."""
    _Attempts(poller, target, connected).go_on()


class _Attempts:
    """The addresses of a target, tried one after the other."""

    def __init__(
        self,
        poller: Poller,
        target: Target,
        connected: Callable[[socket.socket | None], None],
    ) -> None:
        self._poller = poller
        self._target = target
        self._connected = connected
        self._places = target.places()

    def go_on(self) -> None:
        for place in self._places:
            try:
                made, number = self._target.open(place)
            except OSError:  # a kernel without IPv6; or no more descriptors
                continue
            if number == errno.EINPROGRESS:
                try:
                    self._wait(made, place)
                except OSError:  # no more room in the poller
                    made.close()
                    continue
                return
            if number == 0:
                self._done(made, place)
                return
            made.close()
        self._connected(None)

    def _wait(self, made: socket.socket, place: Place) -> None:
        def heard(events: int) -> None:
            self._poller.forget(made)
            if made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                self._done(made, place)
            else:
                made.close()
                self.go_on()

        self._poller.watch(made, WRITE, heard)

    def _done(self, made: socket.socket, place: Place) -> None:
        self._target.answered(place)
        self._connected(made)
