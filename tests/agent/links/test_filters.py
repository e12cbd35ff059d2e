"""Filters at an interface's hooks: their programs run here, and their messages in a kernel."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

import pytest

from playground.agent.kernel.seccomp import Instruction
from playground.agent.links.filters import (
    SKF_AD_MARK,
    SKF_AD_RANDOM,
    TC_ACT_STOLEN,
    TC_ACT_UNSPEC,
    TC_H_CLSACT_INGRESS,
    delete_filter,
    filter_messages,
    get_filter,
    losing,
    mirror_messages,
    read_losing,
    unmarked,
)
from playground.agent.links.interfaces import interface_index
from playground.agent.links.netlink import Netlink
from tests.support_agent import Namespaces, needs_root

LONG = 0xFFFFFFFF


def verdict(program: Sequence[Instruction], beside: dict[int, int]) -> int:
    """The result of a program of these few instructions; ``beside`` is what it may load."""
    at = accumulator = 0
    while True:
        code, true, false, operand = program[at]
        at += 1
        if code == 0x06:  # return
            return operand
        if code == 0x20:  # load a word
            accumulator = beside[operand]
        else:
            met = {0x15: accumulator == operand, 0x35: accumulator >= operand}[code]
            at += true if met else false


@pytest.mark.parametrize(
    ("loss", "number", "expected"),
    [
        (50, 0, TC_ACT_STOLEN),
        (50, 2**31 - 1, TC_ACT_STOLEN),
        (50, 2**31, TC_ACT_UNSPEC),
        (50, 2**32 - 1, TC_ACT_UNSPEC),
        (0.001, 42_950, TC_ACT_UNSPEC),
        (100, 2**32 - 1, TC_ACT_STOLEN),
    ],
)
def test_which_frames_are_lost_by_chance(loss: float, number: int, expected: int) -> None:
    assert verdict(losing(loss), {SKF_AD_RANDOM: number}) == expected


@pytest.mark.parametrize("loss", [0.5, 12.5, 99, 100])
def test_the_loss_is_read_out_of_its_program(loss: float) -> None:
    assert read_losing(b"".join(struct.pack("HBBI", *row) for row in losing(loss))) == loss


@pytest.mark.parametrize(("mark", "expected"), [(0, LONG), (6, LONG), (7, 0)])
def test_what_a_relay_has_sent_on_is_not_led_to_it_again(mark: int, expected: int) -> None:
    assert verdict(unmarked(7), {SKF_AD_MARK: mark}) == expected


def _passes(a: str, b: str) -> bool:
    """Whether a frame sent by one interface is heard at another, of this network namespace."""
    receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5))
    receiver.bind((b, 0x88B5))  # IEEE 802: for experiments
    receiver.settimeout(0.2)
    with receiver, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind((a, 0))
        sender.send(b"\xff" * 6 + bytes(6) + b"\x88\xb5" + bytes(50))
        try:
            return bool(receiver.recv(100))
        except TimeoutError:
            return False


@needs_root
def test_a_filter_takes_all_away_until_it_is_taken_away_itself(wired: Namespaces) -> None:
    with wired.network():
        netlink = Netlink(None)
        index = interface_index("e0")
        assert _passes("e0", "e1")
        netlink.send(filter_messages(index, losing(100), None))
        assert netlink.ask(get_filter(index))
        assert not _passes("e0", "e1")
        netlink.send([delete_filter(index)])
        assert _passes("e0", "e1")
        netlink.close()


@needs_root
def test_a_mirror_copies_what_enters(wired: Namespaces) -> None:
    with wired.network():
        netlink = Netlink(None)
        assert not _passes("e0", "lo")
        hook = TC_H_CLSACT_INGRESS
        netlink.send(mirror_messages(interface_index("e1"), hook, interface_index("lo")))
        assert _passes("e0", "lo")
        assert _passes("e0", "e1")
        netlink.close()
