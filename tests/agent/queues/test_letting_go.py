"""Frames that wait in a queue come from no socket, by either way; and none is left behind."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from playground.agent.links import ebpf
from playground.agent.links.filters import (
    RTM_NEWTFILTER,
    TC_H_CLSACT_EGRESS,
    redirect_messages,
)
from playground.agent.links.interfaces import interface_index
from playground.agent.links.netlink import Message, Netlink
from playground.agent.queues.impairments import impair
from playground.agent.queues.letting_go import around_name, hold_again, let_go
from playground.model.impairment import NO_IMPAIRMENT, Impairment
from playground.model.queues.direction import request
from playground.model.queues.discipline import Queue
from tests.support_agent import Namespaces, apart, cable, needs_root


@pytest.fixture
def h1() -> Iterator[Namespaces]:
    with Namespaces("h1") as h:
        cable(h)
        yield h


def forbidden(index: int) -> None:
    raise PermissionError


def tell(h1: Namespaces, impairment: Impairment) -> None:
    """Shape what leaves, as in a lab of a user who may load no program."""
    ebpf.leaving_copied = forbidden  # type: ignore[assignment]  # in this child process alone
    queue = Queue(limit_packets=400) if impairment.rate_mbit else None
    wanted = request(impairment or None, queue, 1500)
    where = {"pid": h1.pid, "interface": "e0", "watch": h1.pid}
    impair([{**where, "impairment": wanted, "before": None}])


def sent_in_a_moment(h1: Namespaces, frames: int) -> int:
    """How many of so many large frames a socket takes at once, with a small buffer."""
    with h1.network():
        line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        line.bind(("e0", 0))
    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 20_000)
    line.setblocking(False)
    taken = 0
    with line, contextlib.suppress(BlockingIOError):
        while taken < frames:
            line.send(b"\xff" * 6 + b"\x02" * 6 + b"\x88\xb5" + bytes(1400))
            taken += 1
    return taken


@needs_root
def test_a_sender_is_not_held_back_where_no_program_may_be_loaded(h1: Namespaces) -> None:
    apart(tell, h1, Impairment(rate_mbit=0.5))
    assert [name for name in h1.interfaces() if name.startswith("queue")]
    assert sent_in_a_moment(h1, 300) == 300
    with h1.network():
        shown = subprocess.run(
            ["tc", "-s", "qdisc", "show", "dev", "e0"], capture_output=True, text=True, check=True
        ).stdout
    assert "backlog 0b 0p" not in shown.partition("pfifo 7068:")[2].partition("qdisc")[0]
    apart(tell, h1, NO_IMPAIRMENT)
    assert sorted(h1.interfaces()) == ["e0", "e1", "lo"]


@needs_root
def test_where_frames_are_lost_by_a_filter_none_is_lost_twice(h1: Namespaces) -> None:
    apart(tell, h1, Impairment(rate_mbit=0.5))
    apart(tell, h1, Impairment(rate_mbit=0.5, loss_percent=1))
    assert sorted(h1.interfaces()) == ["e0", "e1", "lo"]
    # So the socket has to wait.
    assert sent_in_a_moment(h1, 300) < 300


@needs_root
def test_it_is_set_and_taken_away_as_often_as_one_likes(h1: Namespaces) -> None:
    def twice() -> None:
        ebpf.leaving_copied = forbidden  # type: ignore[assignment]
        netlink = Netlink(h1.pid)
        index = interface_index("e0")
        for _ in range(2):
            let_go(netlink, index, around=True)
        assert interface_index(around_name(index))
        for _ in range(2):
            hold_again(netlink, index)

    apart(twice)
    assert sorted(h1.interfaces()) == ["e0", "e1", "lo"]


class Lacking(Netlink):
    """A line to a kernel that has no cls_bpf."""

    def attempt(self, messages: Sequence[Message]) -> list[tuple[Message, int, str]]:
        return [
            (message, errno.ENOENT, "")
            if message.kind == RTM_NEWTFILTER
            else super(Lacking, self).attempt([message])[0]
            for message in messages
        ]


def shape_where_some_is_lacking(h1: Namespaces, by_root: bool) -> None:
    if not by_root:
        ebpf.leaving_copied = forbidden  # type: ignore[assignment]  # in this child process alone
    netlink = Lacking(h1.pid)
    let_go(netlink, interface_index("e0"), around=True)


@needs_root
@pytest.mark.parametrize("by_root", [True, False])
def test_where_the_kernel_can_hook_nothing_senders_wait_and_nothing_is_left(
    h1: Namespaces, by_root: bool
) -> None:
    apart(shape_where_some_is_lacking, h1, by_root)
    assert sorted(h1.interfaces()) == ["e0", "e1", "lo"]


@needs_root
def test_other_errors_are_told(h1: Namespaces) -> None:
    with pytest.raises(OSError, match="cannot open the hooks of tc"):
        apart(let_go_by_none, h1)


def let_go_by_none(h1: Namespaces) -> None:
    ebpf.leaving_copied = hooks_alone  # in this child process alone
    let_go(Netlink(h1.pid), 999, around=True)


def hooks_alone(index: int) -> tuple[list[Message], int]:
    hooks = redirect_messages(index, TC_H_CLSACT_EGRESS, 1)[:1]
    return hooks, os.open("/dev/null", os.O_RDONLY)
