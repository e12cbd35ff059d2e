"""Requests about the users' programs of nodes, handed to the lab's supervisor."""

from __future__ import annotations

import errno
import json
import selectors
from typing import Any

from playground.agent.line.replies import Replies
from playground.agent.line.supervisor import ask, fork_supervisor, last_words
from playground.agent.protocol import Request, describe


def programs(
    selector: selectors.BaseSelector, replies: Replies, request_id: Any, request: Request
) -> None:
    """Send a request to the supervisor, which is forked if there is none; reply when it does."""
    try:
        line = ask(request)
    except (FileNotFoundError, ConnectionError):
        if request["do"] == "list":
            replies.send({"id": request_id, "result": []})
            return
        if request["do"] != "start" and last_words():
            replies.send({"id": request_id, "error": _ended()})
            return
        fork_supervisor()
        line = ask(request)
    line.setblocking(False)
    parts: list[bytes] = []

    def answered(fd: int, events: int) -> None:
        try:
            part = line.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        parts.append(part)
        if not part:
            selector.unregister(line)
            line.close()
            replies.send({"id": request_id, **_reply(b"".join(parts))})

    selector.register(line, selectors.EVENT_READ, answered)


def _reply(text: bytes) -> Request:
    try:
        reply: Request = json.loads(text)
    except ValueError:
        return {"error": _ended()}
    return reply


def _ended() -> Request:
    said = last_words()
    sentence = "the supervisor of the lab's programs has ended"
    if said:
        sentence += f", and with it what it knew of them: {said.strip().splitlines()[-1]}"
    ended = ConnectionError(errno.EPIPE, sentence)
    return describe(ended, with_traceback=False) | {"traceback": said}
