"""A socket that leads to the Docker engine, at which requests wait until they may go on."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from pathlib import Path


class SlowEngine:
    """The engine at the end of a line on which requests are held.

    Those are held that contain ``word``, and after one of them, with ``all_after``,
    every other.  ``held`` and ``answered`` count requests that wait and containers that
    were made; ``go`` lets all go on.

    """

    def __init__(self, path: Path, word: bytes, *, all_after: bool = False) -> None:
        self.url = f"unix://{path}"
        self.held = threading.Semaphore(0)
        self.answered = threading.Semaphore(0)
        self.go = threading.Event()
        self._word = word
        self._all_after = all_after
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._open = [self._socket]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.go.set()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect("/var/run/docker.sock")
                self._open += [near, far]
                threading.Thread(target=self._there, args=(near, far), daemon=True).start()
                threading.Thread(target=self._back, args=(far, near), daemon=True).start()

    def _there(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(65536):
                if self._word in data:
                    data = _whole_request(near, data)
                    if self._all_after:
                        self._word = b""
                    self.held.release()
                    self.go.wait()
                far.sendall(data)

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := far.recv(65536):
                if b" 201 Created" in data:
                    self.answered.release()
                with contextlib.suppress(OSError):  # nobody listens any more
                    near.sendall(data)


def _whole_request(near: socket.socket, data: bytes) -> bytes:
    """Return a request with its body, of which this is what came first.

    A client writes the body after the head.  Who is killed when the head has come would leave the
    engine waiting for the rest.

    """
    if re.match(rb"[A-Z]+ /", data):
        while not _is_whole(data) and (more := near.recv(65536)):
            data += more
    return data


def _is_whole(data: bytes) -> bool:
    # RFC 9112 section 6.3: of what has a body, the head says how long it is.
    head, end, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\nContent-Length: *(\d+)", head)
    return bool(end) and len(body) >= int(length[1] if length else 0)
