"""A limit of what a browser may send: more is refused before it is written anywhere.

A form's file goes to the disk of this machine as it comes, before any code of a page sees it, and
what an upload field allows is the browser's affair.

"""

# https://asgi.readthedocs.io/en/latest/specs/www.html, RFC 9110 15.5.14 (Content Too Large)

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from playground.errors import PlaygroundError
from playground.frontends.web.gate import RIGHTS
from playground.frontends.web.sessions.lab_shares import LabShares

_SMALL_BYTES = 1 << 20

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class _TooLarge(Exception):
    """More was sent than may be."""


class BodyLimit:
    """An ASGI application around another, which gets no request of more than ``most_bytes``.

    At most ``most_at_once`` requests of more than 1 MiB, or of no said length, are read at once,
    and half of them of whoever has the rights to the same labs.  Each has come within
    ``within_s`` seconds, or is refused.

    """

    def __init__(
        self,
        inner: Application,
        most_bytes: int,
        most_at_once: int = 4,
        within_s: float = 300.0,
    ) -> None:
        self._inner = inner
        self._most = most_bytes
        self._within_s = within_s
        self._shares = LabShares("large files are sent to a page", most_at_once)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._inner(scope, receive, send)
            return
        said = _said_bytes(scope)
        if said is not None and said <= _SMALL_BYTES:
            await self._bounded(scope, receive, send)
            return
        if said is not None and said > self._most:
            await _refuse(413, f"more than {self._most >> 20} MiB are not taken", send)
            return
        labs = " ".join(sorted(str(right.lab) for right in scope.get(RIGHTS, ())))
        try:
            self._shares.take(labs)
        except PlaygroundError as error:
            await _refuse(503, str(error), send)
            return
        try:
            await self._bounded(scope, receive, send)
        finally:
            self._shares.give_back(labs)

    async def _bounded(self, scope: Message, receive: Receive, send: Send) -> None:
        read, answered, whole = 0, False, False
        end_s = asyncio.get_running_loop().time() + self._within_s

        async def receive_some() -> Message:
            nonlocal read, whole
            if whole:  # what comes now is only that the browser has gone
                return await receive()
            async with asyncio.timeout_at(end_s):
                message = await receive()
            whole = not message.get("more_body")
            read += len(message.get("body", b""))
            if read > self._most:
                raise _TooLarge
            return message

        async def note(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._inner(scope, receive_some, note)
        except _TooLarge:
            if answered:
                raise
            await _refuse(413, f"more than {self._most >> 20} MiB are not taken", send)
        except TimeoutError:
            if answered:
                raise
            await _refuse(408, f"it did not come within {self._within_s:g} s", send)


def _said_bytes(scope: Message) -> int | None:
    for name, value in scope["headers"]:
        if name.lower() == b"content-length" and value.isdigit():
            return int(value[:20])
    return None


async def _refuse(status: int, sentence: str, send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": sentence.encode()})
