"""Messages to the kernel, and its answers."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from playground.agent.links import interfaces
from playground.agent.links.netlink import (
    BATCH,
    NLA_F_NESTED,
    NLM_F_DUMP,
    NLMSG_ERROR,
    Message,
    Netlink,
    attempt,
    attribute,
    attributes,
    each_attribute,
    plain_text,
    read_number,
    refusal,
    sockets_to,
    text_attribute,
)
from tests.support_agent import Namespaces, end, needs_root

LIST = Message(interfaces.RTM_GETLINK, NLM_F_DUMP, interfaces.link_body(), "list the interfaces")


class _LateSocket:
    """A netlink socket in which acknowledgements of an earlier batch still are."""

    def __init__(self) -> None:
        self.packets = [self._acknowledge(sequence) for sequence in (1, 2, 3, 4)]

    def _acknowledge(self, sequence: int) -> bytes:
        return struct.pack("IHHIIi", 20, NLMSG_ERROR, 0, sequence, 0, -sequence)

    def send(self, data: bytes) -> None:
        pass

    def recv(self, size: int) -> bytes:
        return self.packets.pop(0)


def test_acknowledgements_that_come_late_are_not_taken_for_others() -> None:
    line = Netlink.__new__(Netlink)
    line.socket = _LateSocket()  # type: ignore[assignment]
    line.sequence = 2
    messages = [interfaces.delete_link("eth0"), interfaces.delete_link("eth1")]
    assert [number for _, number, _ in line.attempt(messages)] == [3, 4]


def test_attributes_are_padded_and_come_back() -> None:
    data = (
        attribute(1, b"abc") + attribute(2 | NLA_F_NESTED, attribute(1, b"x")) + attribute(3, b"")
    )
    assert len(data) % 4 == 0
    assert list(each_attribute(data)) == [(1, b"abc"), (2, attribute(1, b"x")), (3, b"")]
    assert attributes(data + attribute(1, b"again"))[1] == b"again"


@pytest.mark.parametrize("data", [b"", b"\x04", b"\0\0\x01\0", struct.pack("HH", 3, 1)])
def test_what_is_too_short_to_be_an_attribute_ends_them(data: bytes) -> None:
    assert attributes(data) == {}


def test_text_and_numbers_are_read() -> None:
    found = attributes(text_attribute(1, "caf\u00e9") + attribute(2, struct.pack("I", 70_000)))
    assert plain_text(found[1]) == "caf\u00e9"
    assert read_number(found, 2) == 70_000
    assert read_number(found, 3) is None
    assert plain_text(None) == ""


def test_a_refusal_is_a_sentence_with_the_kernels_reason() -> None:
    message = interfaces.set_link("eth0", up=True)
    assert refusal(message, errno.EPERM, "").strerror == (
        "cannot set the interface eth0 up: Operation not permitted"
    )
    assert str(refusal(message, errno.EINVAL, "no such thing").strerror).endswith(
        "Invalid argument (no such thing)"
    )


@needs_root
def test_more_messages_than_one_call_takes_are_each_answered(wired: Namespaces) -> None:
    with wired.network():
        netlink = Netlink(None)
        names = ["e0" if number % 2 else "none" for number in range(2 * BATCH + 3)]
        results = netlink.attempt([interfaces.set_link(name, up=True) for name in names])
        assert [number for _, number, _ in results] == [
            0 if name == "e0" else errno.ENODEV for name in names
        ]
        with pytest.raises(OSError, match="cannot remove the interface none: No such device"):
            netlink.send([interfaces.delete_link("none")])
        attempt(netlink, interfaces.delete_link("none"), errno.ENODEV)
        netlink.close()


@needs_root
def test_the_way_back_from_other_namespaces_is_kept(wired: Namespaces) -> None:
    before = os.stat("/proc/self/ns/net").st_ino
    with sockets_to([end(wired.pid, "e0"), end(None, "lo")]) as [there, here]:
        assert os.stat("/proc/self/ns/net").st_ino == before
        sizes = [len(line.ask(LIST)) for line in (there, here)]
    assert sizes[0] == 3
