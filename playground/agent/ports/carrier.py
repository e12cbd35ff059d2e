"""The carrier: a process that stands in a node's network and carries bytes to it.

It is given a socket that listens on the machine of the library, and opens the connections
to the node's port itself.  It ends with the node's first process, or when it is told so.

"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import resource
import signal
import socket

from playground.agent.nodes.descriptors import keep_only
from playground.agent.nodes.entering import enter_network, refuse_own
from playground.agent.ports.accepting import Acceptor
from playground.agent.ports.connection_pairs import Pair, reset
from playground.agent.ports.datagrams import Datagrams
from playground.agent.ports.dialling import NodeNetwork, Target, dial
from playground.agent.ports.polling import READ, Handle, Poller
from playground.agent.ports.register import Register, open_register
from playground.agent.protocol import Request, describe, os_error

_READY = b"ready"


def start_carrier(listener: int, pid: int, row: Request) -> None:
    """Start the carrier of one published port; raises `OSError` where it cannot carry.

    ``row`` has ``key``, a name of its own, ``protocol`` ("tcp" or "udp") and ``port``, the
    node's; what else it has is told to whoever asks.  The listener stays the caller's.

    """
    refuse_own(pid)
    with contextlib.ExitStack() as held:
        register = held.enter_context(open_register(row["key"]))
        handle = os.pidfd_open(pid)
        held.callback(os.close, handle)
        reader, writer = os.pipe2(os.O_CLOEXEC)
        word = held.enter_context(open(reader, "rb"))
        child = os.fork()
        if child == 0:
            _become_carrier(listener, pid, handle, register, row, writer)
        os.close(writer)
        said = word.read()
    if said != _READY:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)
        raise _told(said)


def _told(said: bytes) -> OSError:
    """Return the error that a carrier has ended with, by its last words."""
    if not said:
        return OSError(errno.ECHILD, "the process that carries the port was killed as it began")
    return os_error(json.loads(said))


def _become_carrier(
    listener: int, pid: int, handle: int, register: socket.socket, row: Request, writer: int
) -> None:
    """Carry, in this fresh child, until the end; say first whether that can be."""
    try:
        try:
            poller, sock = _ready_to_carry(listener, pid, handle, register, row, writer)
        except BaseException as error:
            os.write(writer, json.dumps(describe(error, with_traceback=False)).encode())
            raise
        os.write(writer, _READY)
        os.close(writer)
        with sock:
            poller.run()
    finally:
        os._exit(0)


def _ready_to_carry(
    listener: int, pid: int, handle: int, register: socket.socket, row: Request, writer: int
) -> tuple[Poller, socket.socket]:
    """Go into the node's network, and watch the socket that listens."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for standard in range(3):
        os.dup2(null, standard)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    keep_only([listener, handle, register.fileno(), writer], (most, most))
    gc.disable()
    enter_network(pid)
    poller = Poller()
    poller.watch(Handle(handle), READ, lambda events: poller.stop())
    Register(poller, register, row)
    sock = socket.socket(fileno=listener)
    sock.setblocking(False)
    target = Target(NodeNetwork(None), row["protocol"], row["port"])
    if row["protocol"] == "tcp":
        TcpListener(poller, sock, target)
    else:
        Datagrams(poller, sock, target)
    return poller, sock


class TcpListener:
    """A listening TCP socket, from which connections go to a node's port."""

    def __init__(self, poller: Poller, listener: socket.socket, target: Target) -> None:
        self._poller = poller
        self._target = target
        self._pairs: set[Pair] = set()
        # Callers whose other side is not there yet.
        self._dialling = 0
        self._acceptor = Acceptor(
            poller, listener, self._connect, lambda: bool(self._pairs or self._dialling)
        )

    def _connect(self, caller: socket.socket) -> None:
        def connected(made: socket.socket | None) -> None:
            self._dialling -= 1
            if made is None:
                reset(caller)  # as a port where nobody listens does
                self._acceptor.one_left()
                return
            try:
                self._pairs.add(Pair(self._poller, caller, made, self._over))
            except OSError:  # epoll_ctl(2): the machine has no more memory for it, or room
                reset(caller)
                reset(made)

        with contextlib.suppress(OSError):
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._dialling += 1
        dial(self._poller, self._target, connected)

    def _over(self, pair: Pair) -> None:
        self._pairs.discard(pair)
        self._acceptor.one_left()
