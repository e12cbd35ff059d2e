"""The line on which descriptors go between the library and nodes, to and fro.

The library asks for sockets that live in a node, or sends one that listens on its own
machine, from which a carrier is to carry to a node.

"""

from __future__ import annotations

import json
import os
import selectors
import socket
from typing import Any

from playground.agent.nodes.sockets import open_socket, take_descriptor
from playground.agent.ports.carrier import start_carrier
from playground.agent.ports.register import unpublish
from playground.agent.protocol import Request, describe


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
        """Answer a packet of the client's, perhaps with a socket that lives in a node."""
        assert self._line is not None
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._line, 4096, 1)
            if not packet:
                raise ConnectionError
            try:
                self._answer(json.loads(packet), descriptors)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
        except (OSError, ValueError, KeyError):
            # It is closed, or what comes is none of the client's own.
            self._drop()

    def _answer(self, request: Request, descriptors: list[int]) -> None:
        assert self._line is not None
        answer = {"id": request["id"]}
        try:
            made = None
            if "publish" in request:
                start_carrier(descriptors[0], request["pid"], request["publish"])
            elif "unpublish" in request:
                unpublish([request["unpublish"]])
            else:
                made = open_socket(
                    request["pid"], request["family"], request["type"], request["protocol"]
                )
        except (OSError, OverflowError, TypeError, IndexError) as error:
            # The kernel has refused it, or it is no number of the kernel's at all.
            answer["error"] = describe(error)
            made = None
        content = json.dumps(answer).encode()
        if made is None:
            self._line.send(content, socket.MSG_DONTWAIT)
            return
        with made:
            socket.send_fds(self._line, [content], [made.fileno()], socket.MSG_DONTWAIT)
