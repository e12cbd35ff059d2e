"""HTTP to a Docker engine: one connection kept open, and the stream to an agent.

docker-py brings the transports (unix socket, tcp, TLS, ssh); the requests that a
lab's start consists of go over plain connections of their own, one a thread.

"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

# A request that the engine has not answered by then never will be.  To make, start or
# remove a container took 45 s where the engine had a tenth of a processor.
TIMEOUT_S = 60.0
# To say what there is takes it milliseconds, and seconds under load.
_LOOK_TIMEOUT_S = 30.0
# And the very first answer: before it nothing is made that would have to be undone.
FIRST_TIMEOUT_S = 15.0
# Once it has left a request without an answer: what is to be undone waits no longer.
_HANGING_TIMEOUT_S = 3.0


class Refused(Exception):
    """The engine answered a request with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Patience:
    """How long an engine is given to answer a request; shared by all lines to it.

    An engine that hangs leaves every request without an answer: only the first waits for
    the whole time, so that a start, what undoes it, and a stop together do not.

    """

    def __init__(self) -> None:
        self.hangs = False

    def limit_s(self, method: str) -> float:
        """Return the seconds for one request."""
        if self.hangs:
            return _HANGING_TIMEOUT_S
        return _LOOK_TIMEOUT_S if method in ("GET", "HEAD") else TIMEOUT_S


class Line:
    """One HTTP connection to the engine, kept open between requests.

    docker-py would open one for each address asked, and spends more time on a
    request than the engine does; its transports are used all the same.

    """

    def __init__(
        self, dial: Callable[[], Any], version: str, patience: Patience | None = None
    ) -> None:
        self._dial = dial
        self._patience = patience or Patience()
        self._prefix = f"/v{version}" if version else ""
        self._http = http.client.HTTPConnection("localhost")

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        body: object = None,
        limit_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the decoded answer; raises `Refused` for an error's status.

        Raises TimeoutError where the engine says nothing for ``limit_s`` seconds (None:
        what its `Patience` says).

        """
        with self._patiently(method, limit_s):
            self._send(method, path, query, body, dict(headers or {}))
            response = self._http.getresponse()
            content = response.read()
        return _answer(response.status, content)

    def upgrade(self, path: str, body: object) -> tuple[Any, bytes]:
        """Turn the connection into a raw stream; return it and what came already.

        The line is used up by that.  The head of the answer is read here and not by
        http.client, whose buffer would swallow the first of the stream.

        """
        # https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
        # "Hijacking": the answer is 101 UPGRADED, or 200 from older ones.
        with self._patiently("POST", None):
            self._send("POST", path, None, body, {"Connection": "Upgrade", "Upgrade": "tcp"})
            stream = self._http.sock
            received = b""
            while b"\r\n\r\n" not in received:
                more = stream.recv(65536)
                if not more:
                    raise ConnectionError("the engine closed the line while an agent was started")
                received += more
        head, _, rest = received.partition(b"\r\n\r\n")
        status = int(head.split(None, 2)[1])
        if status not in (http.client.SWITCHING_PROTOCOLS, http.client.OK):
            _answer(status, rest)
        self._http.sock = None
        stream.settimeout(None)
        return stream, rest

    @contextmanager
    def _patiently(self, method: str, limit_s: float | None) -> Iterator[None]:
        """Give the engine its time for one request, and note whether it took more."""
        try:
            if self._http.sock is None:
                self._http.sock = self._dial()
            limit_s = limit_s or self._patience.limit_s(method)
            self._http.sock.settimeout(min(limit_s, self._patience.limit_s(method)))
            yield
        except (TimeoutError, BlockingIOError):  # EAGAIN: its queue is full, unix(7)
            self._patience.hangs = True
            self.close()  # an answer that comes late is to no other request
            raise
        self._patience.hangs = False

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None,
        body: object,
        headers: dict[str, str],
    ) -> None:
        if query:
            path += "?" + urllib.parse.urlencode(query)
        content = json.dumps(body).encode() if body is not None else None
        if content is not None:
            headers["Content-Type"] = "application/json"
        self._http.request(method, self._prefix + path, content, headers)


def dial(api: Any) -> Any:
    """Open a connection to where a docker-py client's requests go.

    Returns a socket, a TLS socket or a paramiko channel; all three have recv,
    sendall, makefile, settimeout and close.

    """
    import requests

    request = requests.Request("GET", f"{api.base_url}/_ping").prepare()
    adapter = api.get_adapter(request.url)
    if hasattr(adapter, "socket_path"):
        return unix_stream(str(adapter.socket_path))
    pool = adapter.get_connection_with_tls_context(request, api.verify, cert=api.cert)
    connection = pool._new_conn()
    connection.connect()
    stream, connection.sock = connection.sock, None
    stream.settimeout(TIMEOUT_S)
    return stream


def unix_stream(path: str) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.settimeout(TIMEOUT_S)
        stream.connect(path)
    except BaseException:
        stream.close()
        raise
    return stream


def api_number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _answer(status: int, content: bytes) -> Any:
    try:
        data = json.loads(content) if content else None
    except ValueError:
        data = {"message": content.decode(errors="replace").strip()}
    if status >= http.client.BAD_REQUEST:
        message = data.get("message") if isinstance(data, dict) else None
        raise Refused(status, message or f"HTTP status {status}")
    return data


# Frames of a hijacked stream: kind, three zero bytes, length (big endian).
# See "Stream format" at the address in `Line.upgrade`.
_FRAME = struct.Struct(">BxxxL")
_STDOUT, _STDERR = 1, 2
_STDERR_KEPT_BYTES = 8192


class AgentChannel:
    """The line to one agent: what it prints, taken out of its frames."""

    def __init__(self, stream: Any, rest: bytes, api: Any) -> None:
        self._stream = stream
        self._api = api
        self._received = bytearray(rest)
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._writing = threading.Lock()
        self._closing = threading.Lock()
        self._closed = False
        if isinstance(stream, socket.socket):
            # An engine that hangs takes no more; a read waits for what may never be said.
            limit = struct.pack("ll", int(TIMEOUT_S), 0)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def read(self, size: int) -> bytes:
        while not self._stdout:
            self._unpack()
            if self._stdout:
                break
            try:
                more = self._stream.recv(262144)
            except (OSError, ValueError):
                more = b""
            if not more:
                return b""
            self._received += more
        data = bytes(self._stdout[:size])
        del self._stdout[:size]
        return data

    def _unpack(self) -> None:
        """Move all whole frames from what was received to where they belong."""
        at = 0
        while len(self._received) - at >= _FRAME.size:
            kind, length = _FRAME.unpack_from(self._received, at)
            end = at + _FRAME.size + length
            if end > len(self._received):
                break
            payload = self._received[at + _FRAME.size : end]
            if kind == _STDERR:
                self._stderr += payload
                del self._stderr[:-_STDERR_KEPT_BYTES]
            else:
                self._stdout += payload
            at = end
        del self._received[:at]

    def write(self, data: bytes) -> None:
        with self._writing:
            try:
                self._stream.sendall(data)
            except (OSError, EOFError, ValueError) as error:
                raise ConnectionResetError("the line to the agent is closed") from error

    def close(self) -> None:
        with self._closing:
            if self._closed:
                return
            self._closed = True
        # A recv in another thread returns when the connection is shut down, not
        # when its descriptor is closed.
        with suppress(OSError, EOFError):
            self._stream.shutdown(socket.SHUT_RDWR)
        with suppress(OSError, EOFError):
            self._stream.close()
        if self._api is not None:
            self._api.close()

    def stderr_tail(self) -> str:
        return self._stderr.decode(errors="replace")
