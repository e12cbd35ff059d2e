"""Terminals of a node's own: pty(7)."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Sequence

from playground.agent.kernel.ids import give_to

# asm-generic/ioctls.h: open the other side of a terminal without its path.
TIOCGPTPEER = 0x5441
TIOCSPTLCK = 0x40045431
TIOCSCTTY = 0x540E
TIOCSWINSZ = 0x5414


def open_terminal(size: Sequence[int], uid: int, channel: socket.socket) -> tuple[int, int, int]:
    """Make a terminal of the node's own, control it, and send its other side."""
    outer = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(outer, TIOCSPTLCK, struct.pack("i", 0))
    inner = fcntl.ioctl(outer, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    set_window(outer, size[0], size[1])
    fcntl.ioctl(inner, TIOCSCTTY, 0)
    give_to(inner, uid, -1)
    socket.send_fds(channel, [b"t"], [outer])
    os.close(outer)
    return inner, inner, inner


def set_window(fd: int, columns: int, lines: int) -> None:
    fcntl.ioctl(fd, TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
