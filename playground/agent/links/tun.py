"""Interfaces that a program serves, by /dev/net/tun: linux/if_tun.h."""

from __future__ import annotations

import fcntl
import os
import stat
import struct

TUNSETIFF = 0x400454CA
TUNSETPERSIST = 0x400454CB
IFF_TUN = 0x0001
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
TUN_DEVICE = (10, 200)  # Documentation/admin-guide/devices.txt


def open_tun(name: str, kind: int) -> int:
    """Make an interface in the present network namespace; return its program's descriptor.

    ``kind`` is IFF_TUN, for bare packets, or IFF_TAP, for frames.  The interface is gone
    when the descriptor is closed.

    """
    try:
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        # A helper of Docker's may use it, and has no file for it.
        path = f"/dev/playground-tun-{os.getpid()}"
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(*TUN_DEVICE))
        try:
            device = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        finally:
            os.unlink(path)
    try:
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), kind | IFF_NO_PI))
    except BaseException:
        os.close(device)
        raise
    return device


def make_lasting_tun(name: str) -> None:
    """Make an interface for bare packets that stays, for a program of the node to serve."""
    device = open_tun(name, IFF_TUN)
    try:
        fcntl.ioctl(device, TUNSETPERSIST, 1)
    finally:
        os.close(device)
