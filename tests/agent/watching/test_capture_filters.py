"""Filters of captures, compiled by libpcap for each type of link."""

from __future__ import annotations

import errno
import struct

import pytest

from playground.agent.links.filters import BPF_RET_K
from playground.agent.watching.capture_filters import (
    LINKTYPE_ETHERNET,
    LINKTYPE_RAW,
    compile_filters,
)
from tests.support_agent import apart, needs_libpcap, needs_root

NOTHING = struct.pack("HBBI", BPF_RET_K, 0, 0, 0)


@pytest.mark.parametrize("text", ["", "  "])
def test_without_a_filter_all_is_taken_up_to_its_length(text: str) -> None:
    everything = struct.pack("HBBI", BPF_RET_K, 0, 0, 96)
    assert compile_filters(text, 96) == {LINKTYPE_ETHERNET: everything, LINKTYPE_RAW: everything}


@needs_root
@needs_libpcap
@pytest.mark.parametrize(
    ("text", "everywhere"),
    [("icmp or udp port 53", True), ("arp", False), ("ether host 1:2:3:4:5:6", False)],
)
def test_what_only_ethernet_has_is_nowhere_else(text: str, everywhere: bool) -> None:
    programs = apart(compile_filters, text, 1500)
    assert len(programs[LINKTYPE_ETHERNET]) % 8 == 0
    assert len(programs[LINKTYPE_ETHERNET]) > 8
    assert (programs[LINKTYPE_RAW] != NOTHING) is everywhere


@needs_root
@needs_libpcap
def test_a_wrong_filter_is_refused_in_libpcaps_words() -> None:
    with pytest.raises(OSError, match="syntax error") as caught:
        apart(compile_filters, "tcp prot 80", 1500)
    assert caught.value.errno == errno.EINVAL
