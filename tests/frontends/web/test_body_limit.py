"""Whatever a browser sends is cut before it fills a disk."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from playground.frontends.web.body_limit import BodyLimit


def send_to(
    limit: BodyLimit, pieces: list[bytes], method: str = "POST", length: str | None = None
) -> int:
    """Send a body in pieces; return the status of the answer."""
    left, sent = list(pieces), []

    async def receive() -> Any:
        piece = left.pop(0) if left else b""
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if length is None else [(b"content-length", length.encode())]
    asyncio.run(limit({"type": "http", "method": method, "headers": headers}, receive, send))
    return int(sent[0]["status"])


class Reader:
    """Reads all of a body, and answers."""

    def __init__(self) -> None:
        self.read = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            self.read += len(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})


def test_as_much_as_may_be_is_read() -> None:
    reader = Reader()
    assert send_to(BodyLimit(reader, 30), [b"x" * 10] * 3, length="30") == 200
    assert reader.read == 30


@pytest.mark.parametrize("length", [None, "3", "31", "9" * 5000])
def test_more_is_refused_whatever_the_browser_says(length: str | None) -> None:
    reader = Reader()
    assert send_to(BodyLimit(reader, 30), [b"x" * 10] * 100, length=length) == 413
    assert reader.read <= 30


def test_so_many_are_read_at_once_and_then_others() -> None:
    seen: list[int] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        if len(seen) == 0:  # while the first is read
            seen.append(0)
            answers: list[Any] = []

            async def note(message: Any) -> None:
                answers.append(message)

            await limit({**scope}, receive, note)
            seen.append(answers[0]["status"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    limit = BodyLimit(inner, 30, most_at_once=1)
    assert send_to(limit, [b"x"]) == 200
    assert seen == [0, 503]
    assert send_to(limit, [b"x"]) == 200  # given back


def test_what_does_not_come_in_time_is_refused_and_gives_back_its_place() -> None:
    limit = BodyLimit(Reader(), 30, within_s=0.05)
    sent: list[Any] = []

    async def never() -> Any:
        await asyncio.sleep(20)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(limit({"type": "http", "method": "POST", "headers": []}, never, send))
    assert sent[0]["status"] == 408
    assert send_to(limit, [b"x"]) == 200
