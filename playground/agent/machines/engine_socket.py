"""The engine of the machine that this runs on: requests by its socket, lines to containers."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import sys
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

SOCKET = "/var/run/docker.sock"

# The oldest API with all that is asked for: that of Docker 20.10.
_API = "v1.41"
_LIMIT_S = 60.0

# "Stream format" of the API's ContainerAttach: kind, three zero bytes, length.
_FRAME = struct.Struct(">BxxxL")
_STDERR = 2


class EngineRefused(Exception):
    """The engine answered with an error; ``status`` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class EngineLine(http.client.HTTPConnection):
    """One HTTP connection to the engine; not for several threads at once."""

    def __init__(self, path: str = SOCKET, limit_s: float = _LIMIT_S) -> None:
        super().__init__("localhost", timeout=limit_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    def ask(
        self, method: str, path: str, query: Mapping[str, object] | None = None, body: object = None
    ) -> Any:
        """Return the decoded answer; raises `EngineRefused` for an error's status."""
        self._send(method, path, query, body)
        response = self.getresponse()
        return _decoded(response.status, response.read())

    def save(self, tags: Sequence[str], piece_bytes: int) -> Iterator[bytes]:
        """Return the archive of images, as `docker save` makes it, a piece after the other."""
        query = urllib.parse.urlencode([("names", tag) for tag in tags])
        self._send("GET", f"/images/get?{query}", None, None)
        response = self.getresponse()
        if response.status >= http.client.BAD_REQUEST:
            _decoded(response.status, response.read())
        while piece := response.read(piece_bytes):
            yield piece

    def load(self, archive: Iterable[bytes]) -> None:
        """Have the engine load the images of such an archive; raises `EngineRefused`."""
        self.request(
            "POST",
            f"/{_API}/images/load?quiet=1",
            body=archive,
            headers={"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"},
            encode_chunked=True,
        )
        response = self.getresponse()
        said = response.read()
        if response.status >= http.client.BAD_REQUEST:
            _decoded(response.status, said)
        # What goes wrong later stands in the lines of an answer that began well.
        for line in said.splitlines():
            with contextlib.suppress(ValueError):
                if error := json.loads(line).get("error"):
                    raise EngineRefused(response.status, str(error))

    def upgrade(
        self, path: str, query: Mapping[str, object] | None = None, body: object = None
    ) -> tuple[socket.socket, bytes]:
        """Turn this connection into a stream; return it, and what has come by it already."""
        self._send("POST", path, query, body, {"Connection": "Upgrade", "Upgrade": "tcp"})
        stream: socket.socket = self.sock
        received = b""
        while b"\r\n\r\n" not in received:
            if not (more := stream.recv(65536)):
                raise ConnectionError("the engine closed the line")
            received += more
        head, _, rest = received.partition(b"\r\n\r\n")
        status = int(head.split(None, 2)[1])
        if status not in (http.client.SWITCHING_PROTOCOLS, http.client.OK):
            _decoded(status, rest)
        self.sock = None
        stream.settimeout(None)
        return stream, rest

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None,
        body: object,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if query:
            path += "?" + urllib.parse.urlencode(query)
        content = None if body is None else json.dumps(body).encode()
        kind = {} if content is None else {"Content-Type": "application/json"}
        self.request(method, f"/{_API}{path}", content, {**kind, **(headers or {})})


def filters(**wanted: str) -> dict[str, str]:
    """Return the query that narrows a list: ``filters(label="a=b")``."""
    return {"filters": json.dumps({name: [value] for name, value in wanted.items()})}


def remove_container(line: EngineLine, name: str) -> None:
    """Remove a container, running or not; one that is gone or going is passed over."""
    try:
        line.ask("DELETE", f"/containers/{name}", {"force": 1, "v": 1})
    except EngineRefused as refusal:
        if refusal.status not in (http.client.NOT_FOUND, http.client.CONFLICT):
            raise


class Unframed:
    """What a container's program prints, taken out of the engine's frames.

    What it prints to its standard error goes to ours.

    """

    def __init__(self, rest: bytes = b"") -> None:
        self._received = bytearray(rest)

    def take(self, data: bytes) -> bytes:
        """Return what was printed to standard output, as far as it has come."""
        self._received += data
        at, out = 0, bytearray()
        while len(self._received) - at >= _FRAME.size:
            kind, length = _FRAME.unpack_from(self._received, at)
            end = at + _FRAME.size + length
            if end > len(self._received):
                break
            payload = self._received[at + _FRAME.size : end]
            if kind == _STDERR:
                sys.stderr.write(payload.decode(errors="replace"))
            else:
                out += payload
            at = end
        del self._received[:at]
        return bytes(out)


def _decoded(status: int, content: bytes) -> Any:
    try:
        data = json.loads(content) if content else None
    except ValueError:
        data = {"message": content.decode(errors="replace").strip()}
    if status >= http.client.BAD_REQUEST:
        message = data.get("message") if isinstance(data, dict) else None
        raise EngineRefused(status, message or f"HTTP status {status}")
    return data
