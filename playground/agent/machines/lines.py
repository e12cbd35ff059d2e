"""Lines between the machines of a swarm: TCP over the overlay network, with a secret of Swarm's.

Both ends prove to each other that they know the secret, and what they say is encrypted: TLS with
a pre-shared key (RFC 4279), which Python's ssl has since 3.13.  The helper's image has that.

"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections import deque
from typing import Any

PORT = 7436

SECRET_PATH = "/run/secrets/playground"  # noqa: S105 - where it is, not what

# A machine that is cut off is noticed within this, also where nothing is said (tcp(7)).
_DEAD_AFTER_S = 6
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 2), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 4))

_CIPHERS = "PSK-AES256-GCM-SHA384:PSK-AES128-GCM-SHA256"
_FIRST_LINE_BYTES = 1 << 20
CONNECT_S = 5.0


def _context(kind: int) -> ssl.SSLContext:
    context = ssl.SSLContext(kind)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # of certificates: there are none with a shared key
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    return context


def server_context(secret: bytes) -> ssl.SSLContext:
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    context.set_psk_server_callback(lambda identity: secret)  # type: ignore[attr-defined]
    return context


def client_context(secret: bytes) -> ssl.SSLContext:
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.set_psk_client_callback(lambda hint: ("playground", secret))  # type: ignore[attr-defined]
    return context


def read_secret(path: str = SECRET_PATH) -> bytes:
    with open(path, "rb") as file:
        return file.read().strip()


def tune(line: socket.socket) -> None:
    """Let a connection notice within seconds that the other machine is gone, and never wait."""
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        line.setsockopt(socket.IPPROTO_TCP, option, value)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_AFTER_S * 1000)


def dial(address: str, context: ssl.SSLContext | None, request: Any) -> ServerLine:
    """Connect to a machine's server and say what is wanted; it blocks."""
    plain = socket.create_connection((address, PORT), CONNECT_S)
    try:
        tune(plain)
        line = ServerLine(context.wrap_socket(plain) if context else plain)
        line.say(request)
    except BaseException:
        plain.close()
        raise
    return line


class ServerLine:
    """A connection that begins with a message each way, and then carries bytes.

    A TLS connection is for one thread at a time: reading and writing at once in two would
    have the one wait for the other (as of Python 3.13.5).  So it is used by one loop, once
    `become_stream` was called; `say` and `hear` come before and block.

    """

    def __init__(self, line: socket.socket) -> None:
        self.socket = line
        self._received = bytearray()
        self._outgoing: deque[memoryview] = deque()
        self.waiting_bytes = 0
        self.closed = False

    # -- at the beginning ---------------------------------------------------

    def say(self, message: Any) -> None:
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def hear(self, limit_s: float | None = None) -> Any:
        """Return the next message; None at the end.  Raises ValueError for one that is too long."""
        self.socket.settimeout(limit_s)
        while (end := self._received.find(b"\n")) < 0:
            if len(self._received) > _FIRST_LINE_BYTES:
                raise ValueError("a line is longer than any first message")
            if not (more := self.socket.recv(1 << 16)):
                return None
            self._received += more
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return json.loads(line)

    def become_stream(self) -> None:
        self.socket.setblocking(False)

    # -- as a stream --------------------------------------------------------

    def fileno(self) -> int:
        return self.socket.fileno()

    def read(self) -> bytes | None:
        """Return what has come; None where nothing has, b"" at the end."""
        if self._received:
            data = bytes(self._received)
            self._received.clear()
            return data
        try:
            data = self.socket.recv(1 << 18)
            # TLS may have more, which no selector sees.
            while isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
                data += self.socket.recv(self.socket.pending())
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError:
            return b""
        return data

    def write(self, data: bytes) -> None:
        """Send bytes as the other end takes them; `flush` goes on with what is left."""
        if not data:
            return
        self._outgoing.append(memoryview(data))
        self.waiting_bytes += len(data)
        if len(self._outgoing) == 1:
            self.flush()

    def flush(self) -> None:
        while self._outgoing and not self.closed:
            try:
                # Where a part was refused, TLS wants the very same again.
                count = self.socket.send(self._outgoing[0])
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError:
                self.closed = True
                return
            self.waiting_bytes -= count
            if count < len(self._outgoing[0]):
                self._outgoing[0] = self._outgoing[0][count:]
            else:
                self._outgoing.popleft()

    def close(self) -> None:
        self.closed = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
