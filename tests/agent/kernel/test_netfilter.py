"""Messages to the kernel's packet filter, the parts that all share."""

from __future__ import annotations

import pytest
from pyroute2.netlink.nfnetlink import nfgen_msg

from playground.agent.kernel.netfilter import NFPROTO_INET, big_endian, netfilter_body
from playground.agent.links.netlink import Message
from tests.support_agent import read_message


def test_a_message_begins_with_its_family() -> None:
    read = read_message(nfgen_msg, Message(0x0A01, 0, netfilter_body(NFPROTO_INET), "list tables"))
    assert (read["nfgen_family"], read["version"], read["res_id"]) == (NFPROTO_INET, 0, 0)


@pytest.mark.parametrize(
    ("data", "number"),
    [(None, 0), (b"", 0), (b"\x01", 1), (b"\x01\x00", 256), (b"\0\0\0\x7b", 123)],
)
def test_numbers_stand_in_network_order(data: bytes | None, number: int) -> None:
    assert big_endian(data) == number
