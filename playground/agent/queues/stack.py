"""Queues below each other at one interface: a rate, and what waits for it."""

from __future__ import annotations

import struct

from playground.agent.links.netlink import (
    NLM_F_CREATE,
    NLM_F_ECHO,
    NLM_F_REPLACE,
    Message,
    Netlink,
    attribute,
    attributes,
    text_attribute,
)
from playground.agent.links.queues import (
    OWN_HANDLE,
    RTM_GETQDISC,
    RTM_NEWQDISC,
    TC_H_ROOT,
    TCA_KIND,
    TCA_OPTIONS,
    queue_body,
)
from playground.agent.links.tbf import tbf_options
from playground.agent.protocol import Request
from playground.agent.queues.classes import class_messages
from playground.agent.queues.disciplines import discipline_options

# Those below the first have the numbers after its own; no more than these are ours.
_NEXT = 0x10000
_LAST_HANDLE = OWN_HANDLE + 8 * _NEXT


def stacked(index: int, wanted: Request, above: int, name: str) -> list[Message]:
    """Return what puts a queue in its place, below a tbf where it keeps no rate by itself.

    ``above`` is how many queues of ours are there already, each with one place below it.

    """
    queue = wanted["queue"]
    handle = OWN_HANDLE + above * _NEXT
    parent = (handle - _NEXT) | 1 if above else TC_H_ROOT
    purpose = f"put the queue {queue['kind']} at {name}"
    messages = []
    if wanted["rate_mbit"] is not None and not queue["shapes"]:
        limit = f"limit the rate of {name} by tbf"
        messages.append(_new(index, parent, handle, "tbf", tbf_options(wanted), limit))
        parent, handle = handle | 1, handle + _NEXT
    if "classes" in queue:
        return [*messages, *class_messages(index, parent, handle, queue, purpose)]
    options = discipline_options(queue)
    return [*messages, _new(index, parent, handle, queue["kind"], options, purpose)]


def _new(index: int, parent: int, handle: int, kind: str, options: bytes, purpose: str) -> Message:
    body = queue_body(index, parent, handle) + text_attribute(TCA_KIND, kind)
    body += attribute(TCA_OPTIONS, options)
    return Message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, body, purpose)


def is_own(handle: int) -> bool:
    """Tell whether a queue is one of ours, by its number."""
    return OWN_HANDLE <= handle <= _LAST_HANDLE


def own_stack(netlink: Netlink, index: int) -> list[tuple[str, int, bytes]]:
    """Return kind, number and options of the queues at an interface that are ours, in order."""
    found: list[tuple[str, int, bytes]] = []
    parent = TC_H_ROOT
    while parent is not None and len(found) < 8:
        # Without the flag the answer goes to those who watch, and not to who has asked.
        question = Message(RTM_GETQDISC, NLM_F_ECHO, queue_body(index, parent), "look at a queue")
        answers = netlink.look(question)
        if not answers:
            break
        [handle] = struct.unpack_from("I", answers[0], 8)  # struct tcmsg
        parts = attributes(answers[0][20:])
        kind = parts[TCA_KIND].rstrip(b"\0").decode()
        if found and not is_own(handle):
            break
        found.append((kind, handle, parts.get(TCA_OPTIONS, b"")))
        if kind not in ("netem", "tbf") or not is_own(handle):
            break
        parent = handle | 1
    return found
