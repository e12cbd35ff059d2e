"""The ring of an interface: filled by the kernel, emptied in blocks."""

from __future__ import annotations

import os
import socket
import struct
import time

import pytest

from playground.agent.watching.capture_filters import (
    LINKTYPE_ETHERNET,
    LINKTYPE_RAW,
    compile_filters,
)
from playground.agent.watching.captures import CAPTURE_LEAST_BLOCKS, Ring, open_rings
from tests.support_agent import Namespaces, apart, end, needs_root

PROGRAMS = compile_filters("", 1500)


def _send(interface: str, count: int) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind((interface, 0))
        for number in range(count):
            # IEEE 802: a type for experiments
            sender.send(b"\xff" * 6 + bytes(6) + b"\x88\xb5" + struct.pack(">I", number) * 12)


def _until(ring: Ring, wanted: int) -> bytes:
    found = b""
    deadline = time.monotonic() + 5
    while ring.seen < wanted and time.monotonic() < deadline:
        found += b"".join(ring.blocks())
        time.sleep(0.005)
    return found


@needs_root
def test_frames_that_are_sent_and_taken_are_in_the_ring(wired: Namespaces) -> None:
    with wired.network():
        rings = [Ring(name, PROGRAMS, CAPTURE_LEAST_BLOCKS) for name in ("e0", "e1")]
        _send("e0", 5)
    for ring in rings:
        found = _until(ring, 5)
        assert ring.link_type == LINKTYPE_ETHERNET
        for number in range(5):
            assert struct.pack(">I", number) * 12 in found
        ring.count()
        assert not ring.behind()
        assert (ring.counted >= 5, ring.dropped) == (True, 0)
        ring.close()
        assert list(ring.blocks()) == []


@needs_root
def test_what_a_ring_has_not_room_for_is_counted_as_dropped(wired: Namespaces) -> None:
    with wired.network():
        ring = Ring("e1", PROGRAMS, CAPTURE_LEAST_BLOCKS)
        _send("e0", 20_000)
    ring.count()
    assert ring.dropped > 0
    assert ring.behind()
    ring.close()


@needs_root
def test_an_interface_that_there_is_not(wired: Namespaces) -> None:
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    with pytest.raises(OSError, match="No such device"):
        # The files that it has opened by then go with the process.
        apart(open_rings, [end(wired.pid, "none")], PROGRAMS, CAPTURE_LEAST_BLOCKS, own)
    os.close(own)


def test_there_is_a_program_for_each_type_of_link() -> None:
    assert set(PROGRAMS) == {LINKTYPE_ETHERNET, LINKTYPE_RAW}
