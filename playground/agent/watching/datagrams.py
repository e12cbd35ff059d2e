"""Questions that a node asks by UDP: a datagram there, and the first one that comes back."""

from __future__ import annotations

import base64
import contextlib
import socket
import time
from collections.abc import Sequence

from playground.agent.network.addresses import packed_address
from playground.agent.nodes.entering import enter_network

_MOST_BYTES = 1 << 16


def ask_datagrams(
    pid: int, payloads: Sequence[str], servers: Sequence[str], port: int, timeout_s: float
) -> list[str | None]:
    enter_network(pid)
    packed = [base64.b64decode(question) for question in payloads]
    for server in servers:
        answers = _ask(server, port, packed, timeout_s)
        if any(answers):
            return [base64.b64encode(answer).decode() if answer else None for answer in answers]
    return [None] * len(payloads)


def _ask(server: str, port: int, payloads: Sequence[bytes], timeout_s: float) -> list[bytes]:
    """Ask one server all at once; an answer is to begin with the two bytes of its question."""
    answers = [b""] * len(payloads)
    deadline = time.monotonic() + timeout_s
    host, _, link = server.partition("%")  # RFC 4007 section 11
    with (
        contextlib.suppress(OSError),  # nobody listens, no way leads there, or there was no time
        socket.socket(packed_address(host)[0], socket.SOCK_DGRAM) as line,
    ):
        line.connect((host, port, 0, socket.if_nametoindex(link)) if link else (host, port))
        for question in payloads:
            line.send(question)
        while not all(answers) and (left := deadline - time.monotonic()) > 0:
            line.settimeout(left)
            heard = line.recv(_MOST_BYTES)
            for number, question in enumerate(payloads):
                if heard[:2] == question[:2] and not answers[number]:
                    answers[number] = heard
    return answers
