"""Supervisors of nodes, started many at once; one reply when all of them run."""

from __future__ import annotations

import selectors
from collections.abc import Sequence
from typing import Any

from playground.agent.line.replies import Replies
from playground.agent.nodes.commands import Command, start_in_node
from playground.agent.nodes.entering import find_node
from playground.agent.nodes.runsv import boot_program
from playground.agent.protocol import Request, describe, described


def boot(
    selector: selectors.BaseSelector, replies: Replies, request_id: Any, nodes: Sequence[Request]
) -> None:
    """Start the supervisors of several nodes at once; reply when all run."""
    waiting: set[int] = set()
    errors: list[Request] = []

    def reply() -> None:
        if errors:
            replies.send({"id": request_id, "error": errors[0]})
        else:
            replies.send({"id": request_id, "result": None})

    def watch(node: Request) -> None:
        # Whoever else the node's own programs belong to, these are root's.
        user = "0" if find_node(node["pid"]).uid else None
        prepare = boot_program(node["programs"])
        command = Command(["runsv", "/run/service/"], user=user, prepare=prepare)
        _, channel = start_in_node(node["pid"], command, None)
        waiting.add(channel.fileno())

        def started(fd: int, events: int) -> None:
            if data := channel.recv(1 << 16):
                errors.append(described(data))
                return
            selector.unregister(fd)
            channel.close()
            waiting.discard(fd)
            if not waiting and not starting:
                reply()

        selector.register(channel, selectors.EVENT_READ, started)

    starting = True
    for node in nodes:
        try:
            watch(node)
        except Exception as error:
            errors.append(describe(error))
    starting = False
    if not waiting:
        reply()
