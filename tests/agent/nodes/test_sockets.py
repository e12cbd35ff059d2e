"""Sockets that live in nodes, and descriptors taken from other processes."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from pathlib import Path

import pytest

from playground.agent.nodes.sockets import open_socket, take_descriptor
from tests.support_agent import Namespaces, needs_root

SIOCGIFINDEX = 0x8933
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _knows(opened: socket.socket, interface: str) -> bool:
    try:
        fcntl.ioctl(opened, SIOCGIFINDEX, struct.pack("16s16x", interface.encode()))
    except OSError:
        return False
    return True


@needs_root
def test_a_socket_lives_in_the_node_and_who_opened_it_does_not(wired: Namespaces) -> None:
    before = os.stat("/proc/self/ns/net").st_ino
    with open_socket(wired.pid, socket.AF_INET, socket.SOCK_DGRAM, 0) as opened:
        assert _knows(opened, "e0")
    assert os.stat("/proc/self/ns/net").st_ino == before
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        assert not _knows(own, "e0")


@needs_root
def test_a_socket_of_a_kind_that_there_is_not(wired: Namespaces) -> None:
    before = os.stat("/proc/self/ns/net").st_ino
    with pytest.raises(OSError, match="not supported"):
        open_socket(wired.pid, socket.AF_INET, socket.SOCK_DGRAM, 200)
    assert os.stat("/proc/self/ns/net").st_ino == before


@needs_root
def test_a_descriptor_of_a_process_is_copied() -> None:
    reader, writer = os.pipe()
    taken = take_descriptor(BOOT_ID, os.getpid(), os.stat("/proc/self/ns/pid").st_ino, writer)
    assert isinstance(taken, int)
    os.write(taken, b"through the copy")
    assert os.read(reader, 100) == b"through the copy"
    for fd in (reader, writer, taken):
        os.close(fd)


@pytest.mark.parametrize(
    ("boot_id", "namespace", "said"),
    [
        ("0f", 1, "the engine runs on another machine"),
        (BOOT_ID, 1, "the engine does not see the processes of this machine"),
    ],
)
def test_why_a_descriptor_cannot_be_taken(boot_id: str, namespace: int, said: str) -> None:
    assert str(take_descriptor(boot_id, os.getpid(), namespace, 0)).startswith(said)


@needs_root
def test_a_descriptor_that_is_closed() -> None:
    with pytest.raises(OSError, match="taking the client's socket: Bad file descriptor"):
        take_descriptor(BOOT_ID, os.getpid(), os.stat("/proc/self/ns/pid").st_ino, 1_000_000)
