"""Waiting for services: each is asked from inside its node until it answers."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import socket
import time
from collections.abc import Sequence

from playground.agent.network.addresses import packed_address
from playground.agent.nodes.entering import enter_network, gone
from playground.agent.protocol import Request

POLL_S = 0.02
ANSWER_LIMIT_S = 5.0
ANSWER_LIMIT_BYTES = 1 << 20
DATAGRAM_LIMIT_S = 0.3


class NoAnswer(Exception):
    """A service has not answered yet; the message says how far it got."""


class NoAnswerInTime(NoAnswer):
    """A service had not answered when the time of one question was over."""


def wait_ready(checks: Sequence[Request], timeout_s: float) -> list[Request]:
    import threading

    if any(check.get("tls") for check in checks):
        import ssl  # noqa: F401 - once, before the threads need it
    deadline = time.monotonic() + timeout_s
    failures: list[Request] = []

    def watch(check: Request) -> None:
        message = _wait_for(check, deadline)
        if message is not None:
            failures.append(
                {
                    "node": check["node"],
                    "service": check["service"],
                    "port": check["port"],
                    "message": message,
                }
            )

    threads = [threading.Thread(target=watch, args=(check,)) for check in checks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def _wait_for(check: Request, deadline: float) -> str | None:
    """Ask one service until it answers; return None, or what went wrong last.

    Runs in a thread: a network namespace is a thread's own.

    """
    try:
        pattern = re.compile((check.get("expect") or "").encode("latin-1"), re.DOTALL)
        question = base64.b64decode(check.get("send") or "")
        enter_network(check["pid"])
    except (OSError, ValueError, re.error) as error:
        return str(getattr(error, "strerror", None) or error)
    message = ""
    while True:
        # Even where the time is over: what is asked once has a reason.
        left = max(deadline - time.monotonic(), POLL_S)
        datagram = check.get("protocol", "tcp") == "udp"
        limit_s = min(left, DATAGRAM_LIMIT_S if datagram else ANSWER_LIMIT_S)
        try:
            if datagram:
                _ask_datagram(check, question, pattern, limit_s)
            else:
                _ask_stream(check, question, pattern, limit_s)
            return None
        except (NoAnswer, OSError) as error:
            # The last question may have been cut off: an earlier one says more.
            cut = limit_s == left and isinstance(error, (NoAnswerInTime, TimeoutError))
            if not (cut and message):
                message = getattr(error, "strerror", None) or str(error)
        if not os.path.exists(f"/proc/{check['pid']}/ns/net"):
            return str(gone(check["pid"]).strerror)
        if time.monotonic() >= deadline:
            return message
        time.sleep(min(POLL_S, max(0.0, deadline - time.monotonic())))


def _address(check: Request) -> tuple[int, tuple[str, int]]:
    host = check.get("address") or "127.0.0.1"
    return packed_address(host)[0], (host, check["port"])


def _ask_stream(
    check: Request, question: bytes, pattern: re.Pattern[bytes], limit_s: float
) -> None:
    family, address = _address(check)
    deadline = time.monotonic() + limit_s
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        connection.settimeout(limit_s)
        connection.connect(address)
        if check.get("tls"):
            import ssl

            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if authority := check.get("authority"):
                context.load_verify_locations(cadata=authority)
            else:
                # Whether the certificate is right is for real clients to judge.
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            name = check["node"] if authority else None
            connection = stack.enter_context(context.wrap_socket(connection, server_hostname=name))
        if question:
            connection.sendall(question)
        answer = b""
        while not pattern.search(answer):
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                part = connection.recv(1 << 16)
            except TimeoutError:
                raise NoAnswerInTime(_unexpected(answer)) from None
            if not part:
                raise NoAnswer(_unexpected(answer))
            answer += part
            if len(answer) > ANSWER_LIMIT_BYTES:
                raise NoAnswer(_unexpected(answer))


def _ask_datagram(
    check: Request, question: bytes, pattern: re.Pattern[bytes], limit_s: float
) -> None:
    family, address = _address(check)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.settimeout(limit_s)
        if check.get("other_port"):
            probe.sendto(question, address)
        else:
            probe.connect(address)  # so that one who refuses is asked again at once
            probe.send(question)
        try:
            answer = probe.recv(1 << 16)
        except TimeoutError:
            raise NoAnswerInTime(_unexpected(b"")) from None
        if not pattern.search(answer):
            raise NoAnswer(_unexpected(answer))


def _unexpected(answer: bytes) -> str:
    if not answer:
        return "it took the connection but did not answer"
    # Of HTTP the headers say little, and what follows them was asked for.
    head, blank, body = answer.partition(b"\r\n\r\n")
    if blank and head.startswith(b"HTTP/"):
        status = head.partition(b"\r\n")[0][:100].decode("latin-1")
        said = f"{status!r} and headers, then {body[:400].decode('latin-1')!r}"
    else:
        said = repr(answer[:200].decode("latin-1"))
    return f"it answered {said}, which is not what was expected"
