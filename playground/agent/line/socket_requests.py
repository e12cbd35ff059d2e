"""The line on which the library asks for sockets that live in a node."""

from __future__ import annotations

import json
import selectors
import socket
from typing import Any

from playground.agent.nodes.sockets import open_socket, take_descriptor
from playground.agent.protocol import describe


class SocketRequests:
    """A unix socket to the library: packets with questions in, descriptors out."""

    def __init__(self, selector: selectors.BaseSelector, fd: int | None) -> None:
        self._selector = selector
        self._line: socket.socket | None = None
        if fd is not None:
            self._watch(fd)

    def take(self, where: dict[str, Any]) -> str | None:
        """Take another line; return what there is to say if that cannot be."""
        taken = take_descriptor(**where)
        if isinstance(taken, str):
            return taken
        self._drop()
        self._watch(taken)
        return None

    def _watch(self, fd: int) -> None:
        self._line = socket.socket(fileno=fd)
        self._selector.register(self._line, selectors.EVENT_READ, self._hand_socket)

    def _drop(self) -> None:
        if self._line is not None:
            self._selector.unregister(self._line)
            self._line.close()
            self._line = None

    def _hand_socket(self, fd: int, events: int) -> None:
        """Answer a packet of the client's with a socket that lives in a node."""
        assert self._line is not None
        try:
            packet = self._line.recv(4096)
            if not packet:
                raise ConnectionError
            request = json.loads(packet)
            answer = {"id": request["id"]}
            try:
                made = open_socket(
                    request["pid"], request["family"], request["type"], request["protocol"]
                )
            except (OSError, OverflowError, TypeError) as error:
                # The kernel has refused it, or it is no number of the kernel's at all.
                answer["error"] = describe(error)
                self._line.send(json.dumps(answer).encode(), socket.MSG_DONTWAIT)
                return
            with made:
                content = [json.dumps(answer).encode()]
                socket.send_fds(self._line, content, [made.fileno()], socket.MSG_DONTWAIT)
        except (OSError, ValueError, KeyError):
            # It is closed, or what comes is none of the client's own.
            self._drop()
